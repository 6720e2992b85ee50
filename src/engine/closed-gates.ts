import type { Clock } from './clock.ts'
import type { SystemGate } from './gate.ts'

/**
 * A system that is closed for less, asks for a pause, or is probed and soon back, does not send what waits for it from memory to
 * rows and from there back again.
 */
const closedMs = 2_000

/** Since when the gates of a lane group have been closed, as far as was looked. */
export class ClosedGates {
  readonly #clock: Clock
  readonly #since = new Map<SystemGate, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** To be called when it opens or closes, and a few times a second. */
  look(gate: SystemGate): void {
    const { stand } = gate
    if (stand === 'open') this.#since.delete(gate)
    // It may have been open since it was looked at last.
    if (stand === 'closed')
      this.#since.set(gate, Math.max(this.#since.get(gate) ?? this.#clock.monotonic(), gate.wellAt))
  }

  /** Whether it is closed, and has been for so long that what waits for it should wait elsewhere. */
  isLongClosed(gate: SystemGate): boolean {
    const since = gate.stand === 'closed' ? this.#since.get(gate) : undefined
    return since !== undefined && this.#clock.monotonic() - since >= closedMs
  }
}

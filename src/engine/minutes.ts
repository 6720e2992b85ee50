import type { RunMinute, SystemMinute } from '../journal/port.ts'
import { latencyBounds } from '../journal/port.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
interface Call extends Omit<Mutable<SystemMinute>, 'hist'> {
  readonly hist: number[]
}

/** Gathers what systems and flows did by minute, until it is taken. */
export class Minutes {
  #calls = new Map<string, Call>()
  #runs = new Map<string, Mutable<RunMinute>>()

  /** A call of a system; `failed`: it speaks against the system. */
  called(minute: number, system: number, call: { readonly ms: number; readonly failed: boolean }): void {
    const key = `${system}:${minute}`
    let row = this.#calls.get(key)
    if (!row) {
      row = { system, minute, calls: 0, failed: 0, totalMs: 0, hist: latencyBounds.map(() => 0).concat(0) }
      this.#calls.set(key, row)
    }
    row.calls++
    row.totalMs += Math.round(call.ms)
    if (call.failed) row.failed++
    const place = latencyBounds.findIndex((bound) => call.ms <= bound)
    const index = place < 0 ? latencyBounds.length : place
    row.hist[index] = (row.hist[index] ?? 0) + 1
  }

  /** A run of a flow came to an end, or was handed to a person. */
  ended(minute: number, flow: number, how: 'finished' | 'parked'): void {
    const key = `${flow}:${minute}`
    let row = this.#runs.get(key)
    if (!row) this.#runs.set(key, (row = { flow, minute, finished: 0, parked: 0 }))
    row[how]++
  }

  /** What was gathered since the last time. */
  take(): { readonly systems: readonly SystemMinute[]; readonly runs: readonly RunMinute[] } {
    const taken = { systems: [...this.#calls.values()], runs: [...this.#runs.values()] }
    this.#calls = new Map()
    this.#runs = new Map()
    return taken
  }
}

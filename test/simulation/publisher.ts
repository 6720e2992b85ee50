import type { Appender } from '../../src/ingress/appender.ts'
import type { Appended, NewEvent } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import type { Acked } from './sink-invariants.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What the publishers need. */
export interface PublisherDeps {
  readonly clock: VirtualClock
  readonly dice: Dice
  /** Some ingress that can be reached now. */
  readonly appender: () => Appender | undefined
}

const patienceMs = 1_000

/** Systems that publish: each sends its event again, under the same identity, until it has an answer. */
export class Publisher {
  readonly acked: Acked[] = []
  readonly answers = new Map<Appended['kind'], number>()
  readonly #deps: PublisherDeps
  #open = 0

  constructor(deps: PublisherDeps) {
    this.#deps = deps
  }

  get done(): boolean {
    return this.#open === 0
  }

  publish(event: NewEvent): void {
    this.#open++
    this.#try(event)
  }

  #try(event: NewEvent): void {
    const { clock, dice, appender } = this.#deps
    let over = false
    const again = () => {
      if (over) return
      over = true
      clock.timer(dice.next() * 500, () => this.#try(event))
    }
    // The answer may never come: its process may be dead.
    clock.timer(patienceMs, again)
    appender()
      ?.append(event)
      .then((appended) => {
        if (over) return
        over = true
        this.#answered(event, appended)
      }, again)
  }

  #answered({ source, id }: NewEvent, { kind, seq }: Appended): void {
    this.#open--
    this.answers.set(kind, (this.answers.get(kind) ?? 0) + 1)
    if (kind !== 'conflict') this.acked.push({ source, id, seq })
  }
}

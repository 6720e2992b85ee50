import type { SourceMessage, SourcePort } from '../define/consumer-source.ts'

/** What the broker is told of a message. */
export type Settlement = 'ack' | 'reject' | 'requeue'

/** A message that waits for its commit. */
interface Held {
  readonly message: SourceMessage
  readonly facts: object
  readonly settle: (settlement: Settlement) => void
}

const maxBatch = { messages: 200, bytes: 1_048_576 }
const pauseMs = { first: 100, longest: 10_000 }

/**
 * Hands messages to the hub in the order in which they came, one append at a time. While the journal is away it holds
 * them and offers them again after growing pauses: the broker sends no more than it has, nothing comes again and again, and
 * no later message overtakes an earlier one.
 */
export class Pump {
  readonly #port: SourcePort
  #held: Held[] = []
  #running: Promise<void> | undefined
  #stopped = false
  #wake: (() => void) | undefined

  constructor(port: SourcePort) {
    this.#port = port
  }

  /** Resolves to what the broker is to be told; never rejects. */
  take(message: SourceMessage, facts: object): Promise<Settlement> {
    if (this.#stopped) return Promise.resolve('requeue')
    return new Promise((settle) => {
      this.#held.push({ message, facts, settle })
      this.#running ??= this.#run()
    })
  }

  /** The channel is gone: the broker will send again what it was not told about. */
  forget(): void {
    for (const { settle } of this.#held.splice(0)) settle('requeue')
    this.#wake?.()
  }

  /** Resolves when what is being appended has settled; the rest goes back to the queue. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#running
    this.forget()
  }

  async #run(): Promise<void> {
    await Promise.resolve() // what arrives in the same turn shares a batch
    let pause = 0
    while (this.#held.length > 0 && !this.#stopped) {
      const delayed = await this.#offer()
      if (delayed && pause === 0)
        this.#port.log.warn(delayed, 'the journal takes no messages now: they wait, and so does the queue')
      pause = delayed ? Math.min(pauseMs.longest, pause === 0 ? pauseMs.first : pause * 2) : 0
      if (delayed && !this.#stopped) await this.#rest(pause * (0.5 + Math.random() / 2))
    }
    this.#running = undefined
  }

  /** Offers the first messages; answers why when some of them must wait. */
  async #offer(): Promise<object | undefined> {
    const batch = this.#batch()
    const intakes = await this.#port.take(batch.map(({ message }) => message))
    const settled = new Set<Held>()
    let delayed: object | undefined
    for (const [index, held] of batch.entries()) {
      const intake = intakes[index]
      if (intake === undefined || intake.kind === 'later') {
        delayed ??= { code: intake?.code, why: intake?.message }
        continue
      }
      settled.add(held)
      if (intake.kind === 'refused')
        this.#port.log.warn(
          { ...held.facts, code: intake.code, why: intake.message },
          'a message was refused for good, and is dead-lettered if its queue says where to',
        )
      held.settle(intake.kind === 'refused' ? 'reject' : 'ack')
    }
    this.#held = this.#held.filter((held) => !settled.has(held))
    return delayed
  }

  #batch(): Held[] {
    let bytes = 0
    const end = this.#held.findIndex(({ message }, index) => {
      bytes += message.body.length
      return index > 0 && (index >= maxBatch.messages || bytes > maxBatch.bytes)
    })
    return this.#held.slice(0, end < 0 ? this.#held.length : end)
  }

  async #rest(ms: number): Promise<void> {
    const woken = Promise.withResolvers<void>()
    this.#wake = woken.resolve
    const timer = setTimeout(woken.resolve, ms)
    await woken.promise
    clearTimeout(timer)
    this.#wake = undefined
  }
}

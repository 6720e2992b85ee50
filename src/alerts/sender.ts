import type { Problem } from '../control/schema/problem.ts'
import type { AlertChannel, AlertsSettings } from '../define/alerts.ts'
import type { AlertChange, AlertStanding } from '../control/alert-words.ts'
import { kindOf } from '../control/alert-words.ts'
import type { SendOptions, SendOutcome } from './send.ts'
import { sendAlert } from './send.ts'
import type { AlertStore, DueChange, PendingDelivery } from './store.ts'

/** What the sender of alerts needs. */
export interface AlertSenderDeps {
  readonly store: AlertStore
  readonly settings: AlertsSettings
  readonly findProblem: (fingerprint: string) => Promise<Problem | undefined>
  readonly hub: string
  readonly holder: string
  readonly consoleUrl: string | undefined
  readonly send?: (
    channel: AlertChannel,
    message: Parameters<typeof sendAlert>[1],
    options: SendOptions,
  ) => Promise<SendOutcome>
  /** Between two looks; default 2 s. */
  readonly everyMs?: number
  /** How long another process waits for a dead one; default 30 s: longer than all receivers may take. */
  readonly leaseMs?: number
  /** Told of each try that failed. */
  readonly onFailed: (channel: string, error: string) => void
  readonly onError: (error: unknown) => void
}

const defaults = { everyMs: 2_000, leaseMs: 30_000 }
/** One try, whatever the channel. */
const timeoutMs = 10_000
/** A receiver that does not answer must not keep a process from ending. */
const lastSendMs = 2_000
/** Messages of one channel that are sent in one round. */
const perRound = 2
const firstPauseMs = 5_000
const longestPauseMs = 900_000
/** A message that could not be sent for so long is news to nobody. */
const giveUpMs = 24 * 3_600_000

/**
 * Tells people about problems, once for each change: looks every two seconds whether problems stand otherwise than was
 * told, writes the messages together with what they tell, and sends what is written, each message until it has arrived.
 * One process at a time does so, by a lease. A message is sent again under the same id when the process dies between
 * sending and noting it. `start` and `stop` are safe to call twice.
 */
export class AlertSender {
  readonly #deps: AlertSenderDeps
  readonly #abort = new AbortController()
  readonly #end = Promise.withResolvers<void>()
  #running: Promise<void> | undefined
  #stopped = false

  constructor(deps: AlertSenderDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true
      this.#end.resolve()
    }
    const timer = setTimeout(() => this.#abort.abort(), lastSendMs)
    await this.#running
    clearTimeout(timer)
  }

  async #run(): Promise<void> {
    const { store, holder, everyMs = defaults.everyMs, onError } = this.#deps
    while (!this.#stopped) {
      await this.#round().catch(onError)
      await this.#pause(everyMs)
    }
    await store.release(holder).catch(onError)
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    return Promise.race([promise, this.#end.promise]).finally(() => clearTimeout(timer))
  }

  async #round(): Promise<void> {
    const { store, settings, holder, leaseMs = defaults.leaseMs } = this.#deps
    if (!(await store.hold(holder, leaseMs))) return
    const due = await store.look(holder, settings)
    if (due.length > 0 && !this.#stopped) await this.#tell(due)
    await Promise.all(settings.channels.map((channel) => this.#sendPending(channel)))
  }

  async #tell(due: readonly DueChange[]): Promise<void> {
    const { store, settings, hub, holder } = this.#deps
    const changes = new Map<string, AlertChange | undefined>()
    for (const each of due) changes.set(each.fp, await this.#changeOf(each))
    const said = [...changes.values()].filter((change) => change !== undefined)
    const at = new Date().toISOString()
    const deliveries = settings.channels.flatMap(({ name, tells }) => {
      const own = said.filter(({ kind }) => tells.includes(kind))
      return own.length === 0 ? [] : [{ channel: name, message: { hub, at, changes: own } }]
    })
    const told = due.flatMap(({ fp, standing }) =>
      standing === 'quiet'
        ? []
        : [{ fp, standing: standing satisfies AlertStanding, said: changes.get(fp) !== undefined }],
    )
    await store.record({ holder, quietMs: settings.quietMs, told, deliveries })
  }

  async #changeOf({ fp, told, standing }: DueChange): Promise<AlertChange | undefined> {
    const kind = kindOf({ problem: fp, told, standing })
    const problem = kind && (await this.#deps.findProblem(fp))
    if (!problem) return undefined
    const { system, code, title } = problem
    return { kind, problem: fp, system, code, title, sentence: problem.why }
  }

  async #sendPending(channel: AlertChannel): Promise<void> {
    for (const delivery of await this.#deps.store.pending(channel.name, perRound)) {
      const { store, holder, leaseMs = defaults.leaseMs } = this.#deps
      // A round may last longer than the lease.
      if (this.#stopped || !(await store.hold(holder, leaseMs))) return
      const outcome = await this.#send(channel, delivery)
      if (outcome.kind !== 'sent') this.#deps.onFailed(channel.name, outcome.error)
      await this.#deps.store.settle(delivery, outcome, pauseMs(delivery, outcome))
      if (outcome.kind === 'later') return
    }
  }

  async #send(channel: AlertChannel, delivery: PendingDelivery): Promise<SendOutcome> {
    const { consoleUrl, send = sendAlert } = this.#deps
    const { id, test, message, ageMs } = delivery
    const outcome = await send(
      channel,
      { ...message, id: `busbar-alert-${message.hub}-${id}`, test },
      { consoleUrl, timeoutMs, signal: this.#abort.signal },
    )
    return outcome.kind === 'later' && ageMs > giveUpMs ? { ...outcome, kind: 'never' } : outcome
  }
}

/** Twice as long each time, or as long as the receiver asked for. */
function pauseMs({ tries }: PendingDelivery, outcome: SendOutcome): number {
  const own = Math.min(firstPauseMs * 2 ** tries, longestPauseMs)
  return outcome.kind === 'sent' ? 0 : Math.max(own, outcome.afterMs ?? 0)
}

import type { Config } from '../define/config.ts'
import type { Redaction } from '../define/redaction.ts'
import type { TransportConnection } from '../define/transport.ts'
import { systemClock } from '../engine/clock.ts'
import type { EngineObserver } from '../engine/attempts.ts'
import type { Unread } from '../engine/expecting.ts'
import { ExpectationWatch, expectationRegistrations } from '../engine/expectations.ts'
import type { Stretch } from '../engine/log-reader.ts'
import { StatsWriter } from '../engine/stats.ts'
import type { Watchdog } from '../engine/watchdog.ts'
import { startWatchdog } from '../engine/watchdog.ts'
import { Worker } from '../engine/worker.ts'
import { BusbarError } from '../errors.ts'
import type { FlowStanding } from '../journal/port-versions.ts'
import type { Journal, WorkerFacts } from '../journal/port.ts'
import type { SqlJournal } from '../journal/sql-journal.ts'
import { openJournal } from '../journal/sql-journal.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { HubTracer } from './tracer.ts'
import { newIdentity } from './presence.ts'

/** How one process takes part. */
export interface SessionOptions {
  readonly config: Config
  readonly database: { readonly url: string; readonly schema: string; readonly maxConnections: number }
  readonly migrate: boolean
  /** Carries events to its worker; without it the worker reads the log itself. */
  readonly transport?: Pick<TransportConnection, 'carry'> | undefined
  /** Whether it owns lane groups; an ingress alone does not. */
  readonly works: boolean
  readonly facts: WorkerFacts
  /** Kill the process when its event loop stands still for the lease time. */
  readonly watchdog: boolean
  readonly leaseMs: number
  readonly log: Log
  readonly metrics: Metrics
  /** Absent where nothing is traced. */
  readonly tracer?: HubTracer | undefined
}

/** One identity in the cluster: ended as a whole, followed by another. */
interface Identity {
  readonly journal: Journal
  readonly worker: Worker | undefined
  readonly stats: StatsWriter | undefined
  readonly watch?: ExpectationWatch
}

const restartPauseMs = { first: 250, longest: 5_000 }

/**
 * The part of a hub that has an identity in the cluster: journal connections and, where it works, a worker under a new
 * id. When the worker is declared dead, the session ends that identity and begins again under another. `start` and `stop`
 * are safe to call twice.
 */
export class Session {
  readonly #options: SessionOptions
  #identity: Identity | undefined
  #watchdog: Watchdog | undefined
  #stopped = false
  #changing: Promise<void> = Promise.resolve()

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** The journal now; another one after the session began again. */
  get journal(): Journal {
    if (!this.#identity)
      throw new BusbarError('journal.unavailable', 'busbar has not started, or is stopping')
    return this.#identity.journal
  }

  /** Whether it does what it is there for: it has a journal, and where it works, a lease. */
  get ready(): boolean {
    return this.#identity !== undefined && (this.#identity.worker?.leaseHolds ?? !this.#options.works)
  }

  async start(): Promise<void> {
    if (this.#identity) return
    this.#identity = await this.#begin(this.#options.migrate, true)
    if (this.#options.works && this.#options.watchdog) this.#watchdog = startWatchdog(this.#options.leaseMs)
  }

  /** What this process has appended goes straight to its worker. */
  appended(stretch: Stretch): void {
    this.#identity?.worker?.appended(stretch)
  }

  /** Ends running attempts within `graceMs`, hands the lane groups over. */
  async stop(graceMs: number): Promise<void> {
    if (this.#stopped) return this.#changing
    this.#stopped = true
    await this.#changing
    const identity = this.#identity
    this.#identity = undefined
    await identity?.watch?.stop()
    await identity?.worker?.stop(graceMs)
    await identity?.stats?.stop()
    await this.#watchdog?.stop()
    await identity?.journal.close()
  }

  /** `first`: a deployment says what it expects when it starts, not again when a worker begins again: a newer one may have spoken. */
  async #begin(migrate: boolean, first: boolean): Promise<Identity> {
    const { database, works, log } = this.#options
    const id = newIdentity()
    const onError = (error: unknown) => log.warn({ err: error }, 'the journal does not answer as it should')
    const onOtherHistory = () =>
      this.#restart(
        'the database has another history (a standby was promoted, or a backup restored): what was read of the old one counts no more, this worker starts again under a new id',
      )
    const journal = await openJournal({
      ...database,
      worker: id,
      migrate,
      onError,
      ...(works && { onOtherHistory }),
    })
    if (!works) return { journal, worker: undefined, stats: undefined }
    const stats = new StatsWriter({ journal, worker: id, clock: systemClock, onError })
    const worker = this.#newWorker({ id, journal, stats, onError })
    const { expectations } = this.#options.config
    try {
      await worker.start()
      if (first) {
        await journal.registerExpectations(expectationRegistrations(expectations))
        tellStandings(log, this.#options.config, await journal.flowStandings())
      }
    } catch (error) {
      await worker.abandon()
      await journal.close()
      throw error
    }
    stats.start()
    const watch = this.#newWatch(journal, onError)
    watch.start()
    return { journal, worker, stats, watch }
  }

  #newWatch(journal: SqlJournal, onError: (error: unknown) => void): ExpectationWatch {
    const { config, log } = this.#options
    return new ExpectationWatch({
      expectations: config.expectations,
      journal,
      clock: systemClock,
      onError,
      onUnread: (unread) => tellUnread(log, unread, config.redaction),
      onOutdated: (expectation) =>
        log.warn(
          { expectation },
          `expectation ${expectation} was changed or removed by a deployment that started later: this process does not watch it any more`,
        ),
    })
  }

  #newWorker(parts: {
    id: string
    journal: SqlJournal
    stats: StatsWriter
    onError: (error: unknown) => void
  }): Worker {
    const { config, facts, transport, leaseMs, log, metrics, tracer } = this.#options
    const { id, journal, stats, onError } = parts
    return new Worker({
      id,
      hub: config.name,
      flows: config.flows,
      redact: config.redact,
      journal,
      versions: journal,
      watch: journal,
      ...(transport && { transport }),
      clock: systemClock,
      random: Math.random,
      facts,
      leaseMs,
      observer: observer({ stats, log, metrics, tracer: tracer?.engine }),
      tracer: tracer?.engine,
      onDead: () =>
        this.#restart(
          'this worker was declared dead (its lease had run out); it starts again under a new id',
        ),
      onError,
      onBreaker: (system, kind, reason) =>
        log.warn(
          { system, breaker: kind, reason },
          kind === 'closed' ? `${system} is connected again` : `${system} is cut off (${kind})`,
        ),
      onOwnership: (group, owned) =>
        log.debug({ group }, owned ? 'owns the lane group' : 'has given the lane group up'),
    })
  }

  /** Declared dead, or left behind by its database: nothing of the old identity may go on. */
  #restart(why: string): void {
    if (this.#stopped) return
    this.#options.log.warn(why)
    this.#changing = this.#changing.then(() => this.#beginAgain())
  }

  async #beginAgain(): Promise<void> {
    const old = this.#identity
    await old?.worker?.abandon()
    await old?.watch?.stop()
    await old?.stats?.stop()
    for (let pauseMs = restartPauseMs.first; !this.#stopped;) {
      try {
        this.#identity = await this.#begin(false, false)
        break
      } catch (error) {
        this.#options.log.error({ err: error }, 'cannot start again yet')
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
        pauseMs = Math.min(pauseMs * 2, restartPauseMs.longest)
      }
    }
    if (this.#identity !== old) await old?.journal.close()
  }
}

/** What began under an earlier deployment, said once, at start. */
function tellStandings(log: Log, { flows }: Config, standings: readonly FlowStanding[]): void {
  for (const { name: flow, stranded, open, pending } of standings) {
    const isHere = flows.some(({ name }) => name === flow)
    if (isHere && stranded > 0)
      log.warn(
        { flow, runs: stranded },
        `flow ${flow}: ${stranded} open run(s) have begun steps that this version does not have so, and will be parked (flow.changed): deploy one that does, or skip them`,
      )
    else if (!isHere && (open > 0 || pending))
      log.warn(
        { flow, runs: open, pending },
        `flow ${flow} is not in this configuration, but has ${open} open run(s)${pending ? ' and events that wait for it' : ''}: unless another process runs it, deploy it again, or skip its runs and "busbar flows remove ${flow}"`,
      )
  }
}

/** One line for each expectation: a stretch of the log may hold a thousand such events. */
function tellUnread(log: Log, unread: readonly Unread[], redaction: Redaction): void {
  for (const [expectation, own] of Map.groupBy(unread, (each) => each.expectation)) {
    const [first] = own
    const why = first && redaction.conceal(first.type, JSON.parse(first.data || 'null'))(first.why)
    log.warn(
      { expectation, events: own.length, seq: first?.seq, why },
      `${expectation}: ${own.length} event(s) could not be read for it, the first of them ${first?.seq}: ${why}`,
    )
  }
}

/** One log line per attempt, and the counters. */
function observer({
  stats,
  log,
  metrics,
  tracer,
}: {
  readonly stats: StatsWriter
  readonly log: Log
  readonly metrics: Metrics
  readonly tracer: HubTracer['engine'] | undefined
}): EngineObserver {
  return {
    attempted({ run, step, attempts }, { outcome, ms }) {
      const { flow, event } = run
      const system = step.gate.name
      const word = outcome.kind === 'succeeded' ? 'succeeded' : outcome.class
      const failed = outcome.kind === 'failed' && outcome.systemFault
      stats.add({ flow: flow.id, system: step.gate.id, outcome: word, ms, failed })
      metrics.attempt({ flow: flow.name, system, outcome: word, ms })
      if (outcome.kind === 'succeeded' && !log.isLevelEnabled('debug')) return
      const line = {
        event: event.id,
        seq: event.seq,
        flow: flow.name,
        key: event.key,
        system,
        step: step.definition.name,
        attempt: attempts,
        outcome: word,
        ms: Math.round(ms),
      }
      if (outcome.kind === 'succeeded') log.debug(line, 'attempt')
      else log.info({ ...line, code: outcome.code, error: outcome.message }, 'attempt')
    },
    became(run, state, reason) {
      if (state !== 'retrying') stats.ended(run.flow.id, state === 'parked' ? 'parked' : 'finished')
      metrics.run({ flow: run.flow.name, outcome: state })
      tracer?.became(run, state, reason)
    },
  }
}

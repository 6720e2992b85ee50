import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { TransportStanding } from '../define/transport.ts'
import { PlainCounter } from './plain-counter.ts'
import { PlainHistogram } from './plain-histogram.ts'
import { journalMetrics, outboxMetrics } from './journal-metrics.ts'
import { sourceMetrics } from './source-metrics.ts'
import type { DoorMetrics, SourceMetrics } from './source-metrics.ts'
import { storageMetrics } from './storage-metrics.ts'
import { relayMetrics, transportMetrics } from './transport-metrics.ts'

/** What is true of the journal when the metrics are read. */
export interface JournalFigures {
  readonly groups: readonly {
    readonly group: string
    readonly pending: number
    readonly oldestSeconds: number
  }[]
  readonly systems: readonly { readonly system: string; readonly breaker: 'closed' | 'probing' | 'open' }[]
  /** Of each flow in force, counted up to 10,000. */
  readonly open: readonly { readonly flow: string; readonly parked: number; readonly retrying: number }[]
  /** Unresolved ones, counted up to 10,000. */
  readonly problems: { readonly open: number; readonly acknowledged: number }
  readonly outbox: { readonly waiting: number; readonly oldestSeconds: number; readonly rejected: number }
  readonly expectations: readonly { readonly name: string; readonly open: number; readonly overdue: number }[]
  /** Null where nothing is carried to a broker. */
  readonly relay: { readonly behind: number; readonly oldestSeconds: number } | null
  readonly storage: StorageFigures
}

/** How much room the journal takes, and what keeps PostgreSQL from giving room back. */
export interface StorageFigures {
  /** Indexes included; `other` is the rest of the journal's schema. */
  readonly tables: readonly { readonly table: string; readonly bytes: number }[]
  /** Age of the oldest transaction that busbar's user can see; what was deleted since is not cleared away. */
  readonly oldestTransactionSeconds: number
  /** What the replication slot that is furthest behind keeps from being recycled. */
  readonly walHeldBytes: number
  /** Of the file system of an embedded journal; null where PostgreSQL is somewhere else. */
  readonly disk: { readonly freeBytes: number; readonly sizeBytes: number } | null
}

/** The metrics of one process, in Prometheus' text format; names and meanings are listed in docs/metrics.md. */
export interface Metrics {
  accepted(count: number, duplicates: number): void
  refused(code: string): void
  appended(batch: { readonly events: number; readonly ms: number }): void
  attempt(attempt: {
    readonly flow: string
    readonly system: string
    readonly outcome: string
    readonly ms: number
  }): void
  run(run: { readonly flow: string; readonly outcome: string }): void
  /** The relay of this process has carried events to the broker; it is at this position of the log now. */
  carried(events: number, position: number): void
  /** What a source that fetches its events has done; the metrics of that source are there from then on. */
  source(name: string): SourceMetrics
  /** The same for a source that is sent its events: a webhook by its name, or `/events` itself. */
  door(name: string): DoorMetrics
  /** The relay of this process has moved rows, and set others aside, by the code of each. */
  outbox(move: { readonly moved: number; readonly rejected: readonly string[] }): void
  /** The exposition; asks `figures` first. When they cannot be had, the process's own metrics are still answered. */
  text(): Promise<string>
  readonly contentType: string
}

/** What is asked in this process at each exposition; each may be left out. */
export interface ProcessFigures {
  /** Of the broker, if there is one. */
  readonly standing?: () => TransportStanding | undefined
  /** What waits for its commit. */
  readonly waiting?: () => { readonly events: number; readonly bytes: number } | undefined
}

const noneWaiting = { events: 0, bytes: 0 }

/** Creates the metrics; `figures`, and those of the process, are asked once for each exposition. */
export function createMetrics(
  figures: () => Promise<JournalFigures>,
  { standing, waiting }: ProcessFigures = {},
): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const up = new Gauge({
    name: 'busbar_journal_up',
    help: 'Whether the journal answers: 0 or 1; at 0 the figures that come from it are left out',
    registers: [registry],
  })
  const ingress = ingressMetrics(registry)
  const source = sourceMetrics(registry)
  const engine = engineMetrics(registry)
  const appending = appendingMetrics(registry)
  const journal = journalMetrics(registry)
  const storage = storageMetrics(registry)
  const outbox = outboxMetrics(registry)
  const relay = relayMetrics(registry)
  const transport = transportMetrics(registry)
  return {
    ...ingress,
    ...engine,
    carried: relay.carried,
    ...source,
    outbox: outbox.moved,
    contentType: registry.contentType,
    async text() {
      const known = await figures().catch(() => undefined)
      up.set(known ? 1 : 0)
      appending(waiting?.() ?? noneWaiting)
      journal(known)
      storage(known?.storage)
      outbox.figures(known?.outbox)
      relay.figures(known?.relay ?? null)
      transport(standing?.())
      return registry.metrics()
    },
  }
}

function ingressMetrics(registry: Registry): Pick<Metrics, 'accepted' | 'refused' | 'appended'> {
  const registers = [registry]
  let stored = 0
  new Counter({
    name: 'busbar_events_accepted_total',
    help: 'Events stored in the log',
    registers,
    collect() {
      this.inc(stored)
      stored = 0
    },
  })
  const duplicates = new Counter({
    name: 'busbar_events_duplicate_total',
    help: 'Events that were in the log already',
    registers,
  })
  const refused = new Counter({
    name: 'busbar_requests_refused_total',
    help: 'Publish requests that were refused, by error code',
    labelNames: ['code'],
    registers,
  })
  const size = new Histogram({
    name: 'busbar_append_batch_events',
    help: 'Events per append',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  })
  const seconds = new Histogram({
    name: 'busbar_append_seconds',
    help: 'Duration of an append, commit included',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
    registers,
  })
  return {
    accepted(count, duplicateCount) {
      stored += count
      if (duplicateCount > 0) duplicates.inc(duplicateCount)
    },
    refused: (code) => refused.inc({ code }),
    appended(batch) {
      size.observe(batch.events)
      seconds.observe(batch.ms / 1_000)
    },
  }
}

function appendingMetrics(registry: Registry): (waiting: typeof noneWaiting) => void {
  const registers = [registry]
  const events = new Gauge({
    name: 'busbar_append_waiting_events',
    help: 'Events of this process that wait for their commit',
    registers,
  })
  const bytes = new Gauge({ name: 'busbar_append_waiting_bytes', help: 'Bytes of their data', registers })
  return (waiting) => {
    events.set(waiting.events)
    bytes.set(waiting.bytes)
  }
}

function engineMetrics(registry: Registry): Pick<Metrics, 'attempt' | 'run'> {
  const attempts = new PlainHistogram({
    name: 'busbar_attempt_seconds',
    help: 'Duration of an attempt, by flow, system and outcome',
    labelNames: ['flow', 'system', 'outcome'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registry,
  })
  const runs = new PlainCounter({
    name: 'busbar_runs_total',
    help: 'Runs that succeeded, were skipped as echoes, were parked, or must be tried again later',
    labelNames: ['flow', 'outcome'],
    registry,
  })
  return {
    attempt: ({ flow, system, outcome, ms }) => attempts.observe([flow, system, outcome], ms / 1_000),
    run: ({ flow, outcome }) => runs.add([flow, outcome]),
  }
}

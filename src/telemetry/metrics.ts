import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { TransportStanding } from '../define/transport.ts'
import { relayMetrics, transportMetrics } from './transport-metrics.ts'

/** What is true of the journal when the metrics are read. */
export interface JournalFigures {
  readonly groups: readonly {
    readonly group: string
    readonly pending: number
    readonly oldestSeconds: number
  }[]
  readonly systems: readonly { readonly system: string; readonly breaker: 'closed' | 'probing' | 'open' }[]
  readonly parked: readonly { readonly flow: string; readonly count: number }[]
  readonly outbox: { readonly waiting: number; readonly oldestSeconds: number; readonly rejected: number }
  readonly expectations: readonly { readonly name: string; readonly open: number; readonly overdue: number }[]
  /** Null where nothing is carried to a broker. */
  readonly relay: { readonly behind: number; readonly oldestSeconds: number } | null
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
  source(name: string): {
    taken(outcome: 'stored' | 'duplicate' | 'ignored' | 'refused'): void
    connected(is: boolean): void
  }
  /** The relay of this process has moved rows, and set others aside, by the code of each. */
  outbox(move: { readonly moved: number; readonly rejected: readonly string[] }): void
  /** The exposition; asks `figures` first. When they cannot be had, the process's own metrics are still answered. */
  text(): Promise<string>
  readonly contentType: string
}

const breakerValue = { closed: 0, probing: 0.5, open: 1 } as const

/** Creates the metrics; `figures` and `standing`, of the broker in this process if there is one, are asked once for each exposition. */
export function createMetrics(
  figures: () => Promise<JournalFigures>,
  standing: () => TransportStanding | undefined = () => undefined,
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
  const journal = journalMetrics(registry)
  const outbox = outboxMetrics(registry)
  const relay = relayMetrics(registry)
  const transport = transportMetrics(registry)
  return {
    ...ingress,
    ...engine,
    carried: relay.carried,
    source,
    outbox: outbox.moved,
    contentType: registry.contentType,
    async text() {
      const known = await figures().catch(() => undefined)
      up.set(known ? 1 : 0)
      journal(known ?? { groups: [], systems: [], parked: [], expectations: [] })
      outbox.figures(known?.outbox)
      relay.figures(known?.relay ?? null)
      transport(standing())
      return registry.metrics()
    },
  }
}

function ingressMetrics(registry: Registry): Pick<Metrics, 'accepted' | 'refused' | 'appended'> {
  const registers = [registry]
  const accepted = new Counter({
    name: 'busbar_events_accepted_total',
    help: 'Events stored in the log',
    registers,
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
      accepted.inc(count)
      duplicates.inc(duplicateCount)
    },
    refused: (code) => refused.inc({ code }),
    appended(batch) {
      size.observe(batch.events)
      seconds.observe(batch.ms / 1_000)
    },
  }
}

function sourceMetrics(registry: Registry): Metrics['source'] {
  const registers = [registry]
  const messages = new Counter({
    name: 'busbar_source_messages_total',
    help: 'Messages that a source has fetched: stored, duplicate, ignored, or refused for good',
    labelNames: ['source', 'outcome'],
    registers,
  })
  const up = new Gauge({
    name: 'busbar_source_connected',
    help: 'Whether a source has its connection: 0 or 1',
    labelNames: ['source'],
    registers,
  })
  return (source) => {
    up.set({ source }, 0)
    return {
      taken: (outcome) => messages.inc({ source, outcome }),
      connected: (is) => up.set({ source }, is ? 1 : 0),
    }
  }
}

function engineMetrics(registry: Registry): Pick<Metrics, 'attempt' | 'run'> {
  const registers = [registry]
  const attempts = new Histogram({
    name: 'busbar_attempt_seconds',
    help: 'Duration of an attempt, by flow, system and outcome',
    labelNames: ['flow', 'system', 'outcome'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  })
  const runs = new Counter({
    name: 'busbar_runs_total',
    help: 'Runs that succeeded, were skipped as echoes, were parked, or must be tried again later',
    labelNames: ['flow', 'outcome'],
    registers,
  })
  // A label set is looked up by a string of ours: prom-client's own lookup sorts and joins the labels of each call.
  const histograms = new Map<string, ReturnType<typeof attempts.labels>>()
  const counters = new Map<string, ReturnType<typeof runs.labels>>()
  return {
    attempt({ flow, system, outcome, ms }) {
      const name = `${flow} ${system} ${outcome}`
      let histogram = histograms.get(name)
      if (!histogram) histograms.set(name, (histogram = attempts.labels(flow, system, outcome)))
      histogram.observe(ms / 1_000)
    },
    run({ flow, outcome }) {
      const name = `${flow} ${outcome}`
      let counter = counters.get(name)
      if (!counter) counters.set(name, (counter = runs.labels(flow, outcome)))
      counter.inc()
    },
  }
}

function journalMetrics(registry: Registry): (figures: Omit<JournalFigures, 'outbox' | 'relay'>) => void {
  const gauge = (name: string, help: string, label: string) =>
    new Gauge({ name, help, labelNames: [label], registers: [registry] })
  const pending = gauge('busbar_pending_events', 'Events a lane group has not reached yet', 'group')
  const oldest = gauge('busbar_oldest_pending_seconds', 'Age of the oldest event it has not reached', 'group')
  const breaker = gauge('busbar_breaker_state', 'Breaker: 0 closed, 0.5 probing, 1 open', 'system')
  const parked = gauge('busbar_parked_runs', 'Runs that need a person', 'flow')
  const awaited = gauge('busbar_expectations_open', 'Expected events that are not due yet', 'expectation')
  const overdue = gauge(
    'busbar_expectations_overdue',
    'Expected events that have not come in time',
    'expectation',
  )
  return (figures) => {
    for (const each of [pending, oldest, breaker, parked, awaited, overdue]) each.reset()
    for (const { group, pending: count, oldestSeconds } of figures.groups) {
      pending.set({ group }, count)
      oldest.set({ group }, oldestSeconds)
    }
    for (const { system, breaker: state } of figures.systems) breaker.set({ system }, breakerValue[state])
    for (const { flow, count } of figures.parked) parked.set({ flow }, count)
    for (const { name: expectation, open, overdue: late } of figures.expectations) {
      awaited.set({ expectation }, open)
      overdue.set({ expectation }, late)
    }
  }
}

function outboxMetrics(registry: Registry): {
  readonly moved: Metrics['outbox']
  readonly figures: (figures: JournalFigures['outbox'] | undefined) => void
} {
  const registers = [registry]
  const moved = new Counter({
    name: 'busbar_outbox_moved_total',
    help: 'Rows of the outbox that became events',
    registers,
  })
  const rejected = new Counter({
    name: 'busbar_outbox_rejected_total',
    help: 'Rows of the outbox that were set aside, by error code',
    labelNames: ['code'],
    registers,
  })
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const waiting = gauge('busbar_outbox_waiting', 'Rows that wait in the outbox; above 10,000 an estimate')
  const oldest = gauge('busbar_outbox_oldest_seconds', 'Age of the oldest of them')
  const aside = gauge('busbar_outbox_rejected', 'Rows that are set aside and need a person, up to 10,000')
  return {
    moved(move) {
      moved.inc(move.moved)
      for (const code of move.rejected) rejected.inc({ code })
    },
    figures(figures) {
      for (const each of [waiting, oldest, aside]) if (figures === undefined) each.remove()
      if (figures === undefined) return
      waiting.set(figures.waiting)
      oldest.set(figures.oldestSeconds)
      aside.set(figures.rejected)
    },
  }
}

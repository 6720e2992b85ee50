import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { JournalFigures, Metrics } from './metrics.ts'

const breakerValue = { closed: 0, probing: 0.5, open: 1 } as const

/** Of the flows, systems, problems and expectations, as the journal says; `undefined` takes all of them out. */
export function journalMetrics(registry: Registry): (figures: JournalFigures | undefined) => void {
  const gauge = (name: string, help: string, label: string) =>
    new Gauge({ name, help, labelNames: [label], registers: [registry] })
  const pending = gauge('busbar_pending_events', 'Events a lane group has not reached yet', 'group')
  const oldest = gauge('busbar_oldest_pending_seconds', 'Age of the oldest event it has not reached', 'group')
  const breaker = gauge('busbar_breaker_state', 'Breaker: 0 closed, 0.5 probing, 1 open', 'system')
  const parked = gauge('busbar_parked_runs', 'Runs that need a person, up to 10,000', 'flow')
  const retrying = gauge(
    'busbar_retrying_runs',
    'Runs that are tried again by themselves, up to 10,000',
    'flow',
  )
  const problems = gauge(
    'busbar_problems',
    'Unresolved problems, open or acknowledged, up to 10,000',
    'state',
  )
  const awaited = gauge('busbar_expectations_open', 'Expected events that are not due yet', 'expectation')
  const overdue = gauge(
    'busbar_expectations_overdue',
    'Expected events that have not come in time',
    'expectation',
  )
  return (figures) => {
    for (const each of [pending, oldest, breaker, parked, retrying, problems, awaited, overdue]) each.reset()
    if (!figures) return
    for (const { group, pending: count, oldestSeconds } of figures.groups) {
      pending.set({ group }, count)
      oldest.set({ group }, oldestSeconds)
    }
    for (const { system, breaker: state } of figures.systems) breaker.set({ system }, breakerValue[state])
    for (const { flow, ...open } of figures.open) {
      parked.set({ flow }, open.parked)
      retrying.set({ flow }, open.retrying)
    }
    for (const state of ['open', 'acknowledged'] as const) problems.set({ state }, figures.problems[state])
    for (const { name: expectation, open, overdue: late } of figures.expectations) {
      awaited.set({ expectation }, open)
      overdue.set({ expectation }, late)
    }
  }
}

/** Of the outbox: what this process has moved, and what waits, as the journal says. */
export function outboxMetrics(registry: Registry): {
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

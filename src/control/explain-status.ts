import type { Sentence } from './schema/common.ts'
import type { System } from './schema/system.ts'
import { count, link, say, sentences, time } from './sentence.ts'
import type { TransportStatus } from './schema/transport.ts'
import { transportFaults } from './explain-transport.ts'

/** What decides whether all is well. Counts stop at `maxCounted`. */
export interface StatusFacts {
  readonly maxCounted: number
  readonly flows: number
  readonly parked: number
  readonly retrying: number
  readonly pending: number
  readonly oldestPendingAt: string | null
  readonly oldestPendingMs: number | null
  readonly systems: readonly Pick<System, 'name' | 'standing' | 'why'>[]
  readonly liveWorkers: number
  readonly pausedGroups: readonly string[]
  readonly outbox: {
    readonly waiting: number
    readonly oldestAt: string | null
    readonly oldestMs: number | null
    readonly rejectedCount: number
  }
  /** Expected events that have not come in time. */
  readonly overdue: number
  /** Flows that nobody runs although something of them is left. */
  readonly undeployed: readonly { readonly flow: string; readonly open: number; readonly pending: boolean }[]
  /** Flows with runs that cannot go on with what is deployed. */
  readonly stranded: readonly { readonly flow: string; readonly runs: number }[]
  readonly transport: TransportStatus
}

/** Named one by one up to here. */
const mostNamed = 3
/** A backlog whose oldest event is younger than this is work under way. */
const lateMs = 60_000

/** What is true now, in words: first what needs a person, then what stands still, then what waits. Pure. */
export function explainStatus(facts: StatusFacts): { readonly ok: boolean; readonly sentence: Sentence } {
  const faults = [
    ...people(facts),
    ...silence(facts),
    ...versions(facts),
    ...standstills(facts),
    ...transportFaults(facts.transport),
    ...lateness(facts),
  ]
  if (faults.length > 0) return { ok: false, sentence: sentences(faults) }
  const connected = say`${count(facts.systems.length, 'system')} connected`
  const work = facts.pending + facts.retrying === 0 ? say`nothing waits` : underWay(facts)
  return { ok: true, sentence: sentences([say`All is well: ${connected}, ${work}`]) }
}

function people({ parked, maxCounted, outbox: { rejectedCount } }: StatusFacts): Sentence[] {
  const needs = (many: number, what: string) =>
    say`${many >= maxCounted ? 'At least ' : ''}${count(many, what)} ${many === 1 ? 'needs' : 'need'} a person`
  return [
    ...(parked > 0 ? [needs(parked, 'run')] : []),
    ...(rejectedCount > 0 ? [needs(rejectedCount, 'outbox row')] : []),
  ]
}

function silence({ overdue, maxCounted }: StatusFacts): Sentence[] {
  if (overdue === 0) return []
  const events = count(overdue, 'expected event')
  return [
    say`${overdue >= maxCounted ? 'At least ' : ''}${events} ${overdue === 1 ? 'has' : 'have'} not come in time`,
  ]
}

/** What began under another deployment, and what to do about it. */
function versions({ stranded, undeployed }: StatusFacts): Sentence[] {
  const faults = stranded
    .slice(0, mostNamed)
    .map(
      ({ flow, runs }) =>
        say`${count(runs, 'run')} of ${link('flow', flow)} ${runs === 1 ? 'has' : 'have'} begun steps that its deployed version does not have so: deploy one that does, or skip ${runs === 1 ? 'it' : 'them'}`,
    )
  for (const { flow, open, pending } of undeployed.slice(0, mostNamed)) {
    const left = [
      ...(open > 0 ? [count(open, 'open run')] : []),
      ...(pending ? ['events that wait for it'] : []),
    ]
    faults.push(
      say`${link('flow', flow)} is not deployed, with ${left.join(' and ')}: deploy it again, or remove it`,
    )
  }
  const more = Math.max(0, stranded.length - mostNamed) + Math.max(0, undeployed.length - mostNamed)
  if (more > 0) faults.push(say`So it is with ${count(more, 'more flow')}`)
  return faults
}

function standstills({ flows, liveWorkers, systems, pausedGroups }: StatusFacts): Sentence[] {
  const faults: Sentence[] = []
  if (flows > 0 && liveWorkers === 0) faults.push(say`No live worker: no flow is run until one starts`)
  const still = systems.filter(({ standing }) => standing !== 'connected')
  faults.push(...still.slice(0, mostNamed).map(({ why }) => why))
  if (still.length > mostNamed) faults.push(say`So stand ${count(still.length - mostNamed, 'more system')}`)
  for (const group of pausedGroups.slice(0, mostNamed))
    faults.push(say`Lane group ${link('group', group)} is paused`)
  if (pausedGroups.length > mostNamed)
    faults.push(say`So are ${count(pausedGroups.length - mostNamed, 'more lane group')}`)
  return faults
}

function lateness(facts: StatusFacts): Sentence[] {
  const { oldestPendingAt, oldestPendingMs, outbox } = facts
  const faults: Sentence[] = []
  if (oldestPendingAt !== null && (oldestPendingMs ?? 0) >= lateMs)
    faults.push(
      say`${count(facts.pending, 'event')} not reached yet, the oldest accepted ${time(oldestPendingAt)}`,
    )
  if (outbox.oldestAt !== null && (outbox.oldestMs ?? 0) >= lateMs)
    faults.push(
      say`${count(outbox.waiting, 'outbox row')} not moved yet, the oldest published ${time(outbox.oldestAt)}`,
    )
  return faults
}

function underWay({ pending, retrying }: StatusFacts): string {
  const parts = [
    ...(pending > 0 ? [`${count(pending, 'event')} under way`] : []),
    ...(retrying > 0 ? [`${count(retrying, 'run')} to be tried again`] : []),
  ]
  return parts.join(', ')
}

import { explainPeople } from './explain-people.ts'
import type { PeopleFacts } from './explain-people.ts'
import { explainStandstill } from './explain-standstill.ts'
import type { StandingFacts } from './explain-standstill.ts'
import { transportFaults } from './explain-transport.ts'
import type { Sentence } from './schema/common.ts'
import type { StatusSentence } from './schema/overview.ts'
import type { TransportStatus } from './schema/transport.ts'
import { count, link, say, sentences, time } from './sentence.ts'
import { told } from './status-sentence.ts'

/** What decides whether all is well. Counts stop at `maxCounted`. */
export interface StatusFacts extends PeopleFacts {
  readonly maxCounted: number
  readonly flows: number
  readonly retrying: number
  readonly pending: number
  readonly oldestPendingAt: string | null
  readonly oldestPendingMs: number | null
  readonly systems: readonly StandingFacts[]
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

/** What is true now, in words: first what stands still, then what needs a person, then what waits. Pure. */
export function explainStatus(facts: StatusFacts): {
  readonly ok: boolean
  readonly sentence: Sentence
  readonly sentences: StatusSentence[]
} {
  const faults = [
    ...standstills(facts),
    ...explainPeople(facts, mostNamed),
    ...silence(facts),
    ...versions(facts),
    ...transportFaults(facts.transport).map((words) => told('retry', 'transport', words)),
    ...lateness(facts),
  ]
  // Planned maintenance is no fault.
  const ok = faults.every(({ tone, standing }) => tone === 'rest' && standing === 'maintenance')
  const all = [...faults, told('ok', 'rest', rest(facts, faults.length))]
  return { ok, sentence: sentences((ok ? all : faults).map((each) => each.sentence)), sentences: all }
}

function rest({ systems, pending, retrying }: StatusFacts, faults: number): Sentence {
  if (faults > 0) return say`Everything else is well`
  const connected = say`${count(systems.length, 'system')} connected`
  const work = pending + retrying === 0 ? 'nothing waits' : underWay({ pending, retrying })
  return say`All is well: ${connected}, ${work}`
}

function silence({ overdue, maxCounted }: StatusFacts): StatusSentence[] {
  if (overdue === 0) return []
  const events = count(overdue, 'expected event')
  const words = say`${overdue >= maxCounted ? 'At least ' : ''}${events} ${overdue === 1 ? 'has' : 'have'} not come in time`
  return [told('park', 'expected', words)]
}

/** What began under another deployment, and what to do about it. */
function versions({ stranded, undeployed }: StatusFacts): StatusSentence[] {
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
  return faults.map((words) => told('park', 'flow', words))
}

function standstills({ flows, liveWorkers, systems, pausedGroups }: StatusFacts): StatusSentence[] {
  const faults: StatusSentence[] = []
  if (flows > 0 && liveWorkers === 0)
    faults.push(told('park', 'worker', say`No live worker: no flow is run until one starts`))
  const still = systems.filter(({ standing }) => standing !== 'connected')
  faults.push(...still.slice(0, mostNamed).map(explainStandstill))
  if (still.length > mostNamed)
    faults.push(told('park', 'system', say`So stand ${count(still.length - mostNamed, 'more system')}`))
  for (const group of pausedGroups.slice(0, mostNamed))
    faults.push({
      ...told('rest', 'group', say`Lane group ${link('group', group)} is paused`),
      act: { verb: 'resume', to: 'group', id: group, text: `Resume ${group}` },
    })
  if (pausedGroups.length > mostNamed)
    faults.push(
      told('rest', 'group', say`So are ${count(pausedGroups.length - mostNamed, 'more lane group')}`),
    )
  return faults
}

function lateness(facts: StatusFacts): StatusSentence[] {
  const { oldestPendingAt, oldestPendingMs, outbox } = facts
  const faults: StatusSentence[] = []
  if (oldestPendingAt !== null && (oldestPendingMs ?? 0) >= lateMs)
    faults.push(
      told(
        'wait',
        'backlog',
        say`${count(facts.pending, 'event')} not reached yet, the oldest accepted ${time(oldestPendingAt)}`,
      ),
    )
  if (outbox.oldestAt !== null && (outbox.oldestMs ?? 0) >= lateMs)
    faults.push(
      told(
        'wait',
        'outbox',
        say`${count(outbox.waiting, 'outbox row')} not moved yet, the oldest published ${time(outbox.oldestAt)}`,
      ),
    )
  return faults
}

function underWay({ pending, retrying }: Pick<StatusFacts, 'pending' | 'retrying'>): string {
  const parts = [
    ...(pending > 0 ? [`${count(pending, 'event')} under way`] : []),
    ...(retrying > 0 ? [`${count(retrying, 'run')} to be tried again`] : []),
  ]
  return parts.join(', ')
}

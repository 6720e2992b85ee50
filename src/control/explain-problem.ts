import type { Sentence } from './schema/common.ts'
import type { Problem } from './schema/problem.ts'
import { explainSystem } from './explain-system.ts'
import type { SystemFacts } from './explain-system.ts'
import { count, say, sentences, time } from './sentence.ts'

/** All that decides what a problem says of itself. Moments are RFC 3339. */
export interface ProblemFacts extends Pick<
  Problem,
  | 'fingerprint'
  | 'code'
  | 'title'
  | 'state'
  | 'since'
  | 'resolvedAt'
  | 'backAt'
  | 'backFrom'
  | 'ignoredUntil'
  | 'open'
  | 'parked'
  | 'objects'
  | 'countedTo'
  | 'pending'
> {
  readonly nowAt: string
  readonly person: boolean
  /** The soonest moment at which one of its runs is tried again. */
  readonly nextAt: string | null
  /** Absent: its system is none that busbar calls. */
  readonly system: SystemFacts | null
}

/** What a problem is, since when, how many objects, and what happens next. Pure. */
export function explainProblem(facts: ProblemFacts): Pick<Problem, 'needs' | 'why' | 'until'> {
  const { state, person, since, resolvedAt } = facts
  if (state === 'resolved')
    return {
      needs: 'nobody',
      why: say`It is over since ${time(resolvedAt ?? since)}; it began ${time(since)}.`,
      until: null,
    }
  const { next, until } = nextOf(facts)
  const why = sentences([what(facts), next, ...back(facts), ...ignored(facts)])
  return { needs: person ? 'person' : 'busbar', why, until }
}

/** `312 objects wait since 10:42`. */
function what(facts: ProblemFacts): Sentence {
  const { fingerprint, since, objects, countedTo, pending, open, title } = facts
  const from = time(since)
  const behind =
    pending > 0 ? say`, and ${count(pending, 'event')} ${pending === 1 ? 'is' : 'are'} not reached` : say``
  if (fingerprint.startsWith('system:') && open === 0)
    return pending > 0
      ? say`${count(pending, 'event')} ${pending === 1 ? 'waits' : 'wait'} since ${from}`
      : say`Nothing waits for it yet, since ${from}`
  if (!hasRuns(facts)) return say`${title}, since ${from}`
  const verb = facts.parked > 0 ? (objects === 1 ? 'stands' : 'stand') : objects === 1 ? 'waits' : 'wait'
  const many = open >= countedTo ? `At least ${count(objects, 'object')}` : capital(count(objects, 'object'))
  return say`${many} ${verb} since ${from}${behind}`
}

/** What busbar does by itself, or what a person has to do. */
function nextOf(facts: ProblemFacts): { readonly next: Sentence; readonly until: string | null } {
  const { fingerprint, code, open, parked, nextAt, nowAt, system } = facts
  const stand = system && explainSystem(system, nowAt)
  if (fingerprint.startsWith('system:')) return systemNext(stand)
  const own = personally(fingerprint, code)
  if (own) return { next: say`${own}`, until: null }
  if (parked > 0)
    return {
      next: say`busbar does nothing more by itself: mend the cause and retry, or skip with a reason${others(facts)}`,
      until: null,
    }
  if (open === 0) return { next: say`None of its runs is open any more: it ends within seconds`, until: null }
  if (stand && stand.standing !== 'connected')
    return { next: say`${stand.why}; then busbar goes on by itself`, until: stand.until }
  if (nextAt !== null && nextAt > nowAt)
    return { next: say`busbar tries again ${time(nextAt)}; nothing has to be done until then`, until: nextAt }
  return { next: say`busbar is trying again now`, until: null }
}

function systemNext(stand: ReturnType<typeof explainSystem> | null): ReturnType<typeof nextOf> {
  if (!stand || stand.standing === 'connected')
    return { next: say`It is connected again: everything goes on by itself`, until: null }
  return {
    next: say`${stand.why}. When it answers, everything goes on by itself, in order; no attempt is used up meanwhile`,
    until: stand.until,
  }
}

/** Causes that have no runs to retry. */
function personally(fingerprint: string, code: string): string | undefined {
  if (code === 'link.conflict') return 'Say which id is right (busbar links set), and it is over'
  if (fingerprint.startsWith('expected:'))
    return 'It is over when the event comes, or when somebody says that it need not come'
  if (fingerprint.startsWith('replay:'))
    return 'See which of its runs failed and why, mend that, and resume the replay'
  if (fingerprint.startsWith('outbox:'))
    return 'Retry the rows that were set aside, with other data where they need it, or discard them'
  if (code === 'flow.changed')
    return 'Deploy a version of the flow that has the steps which were begun, or skip'
  if (code === 'call.unknown-outcome' || code === 'run.key-expired')
    return 'Look in the system whether it has happened: supply the result if so, else retry and say that it may double'
  return undefined
}

function others({ open, parked, nextAt, nowAt }: ProblemFacts): Sentence {
  if (open <= parked || nextAt === null || nextAt <= nowAt) return say``
  return say`; those not given up yet are tried again ${time(nextAt)}`
}

function back({ backAt, backFrom }: ProblemFacts): Sentence[] {
  if (backAt === null) return []
  return backFrom === 'ignored'
    ? [say`It was ignored until ${time(backAt)}`]
    : [say`It had been over, and came back ${time(backAt)}`]
}

function ignored({ state, ignoredUntil }: ProblemFacts): Sentence[] {
  if (state !== 'ignored') return []
  return [
    ignoredUntil === null
      ? say`It is ignored until somebody opens it`
      : say`It is ignored until ${time(ignoredUntil)}`,
  ]
}

function hasRuns({ open, fingerprint }: ProblemFacts): boolean {
  return open > 0 && !/^(?:expected|replay|outbox):/.test(fingerprint)
}

function capital(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

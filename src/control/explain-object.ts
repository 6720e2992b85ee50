import type { ObjectDetail, ObjectSummary } from './schema/object.ts'
import type { RunStateWord, Sentence } from './schema/common.ts'
import { count, link, runId, say, time } from './sentence.ts'

/** A run of an object that is not over. */
export interface OpenFact {
  readonly flow: string
  readonly seq: number
  readonly generation: number
  readonly state: RunStateWord
  readonly system: string | null
  readonly message: string | null
  /** When it was last tried. */
  readonly triedAt: string | null
  readonly why: Sentence
  readonly until: string | null
}

/** All that decides how an object stands. */
export interface ObjectFacts {
  /** Events about it, counted up to `maxCounted`. */
  readonly events: number
  readonly maxCounted: number
  readonly lastAt: string | null
  /** Worst first is not needed: this function looks for itself. */
  readonly open: readonly OpenFact[]
  readonly expected: readonly {
    readonly expected: string
    readonly state: 'open' | 'overdue'
    readonly dueAt: string
  }[]
}

/** From what needs a person to what needs nobody. */
const order: readonly ObjectSummary['state'][] = ['parked', 'retrying', 'waiting', 'running', 'pending']

/** The state that says most: of several open runs the one that needs a person, then the one that fails. */
export function worstState(states: readonly string[]): ObjectSummary['state'] {
  return order.find((state) => states.includes(state)) ?? 'done'
}

/** The run that says most about an object: of those in the worst state the one whose turn came first. */
export function worstRun<Run extends { readonly state: RunStateWord; readonly seq: number }>(
  open: readonly Run[],
): Run | undefined {
  const state = worstState(open.map((run) => run.state))
  return open.filter((run) => run.state === state).reduce<Run | undefined>(earlier, undefined)
}

function earlier<Run extends { readonly seq: number }>(one: Run | undefined, other: Run): Run {
  return one !== undefined && one.seq <= other.seq ? one : other
}

/** Where an object is stuck and why, or that all is done, in one or two sentences. Pure. */
export function explainObject(facts: ObjectFacts): Pick<ObjectDetail, 'state' | 'verdict' | 'until'> {
  const worst = worstRun(facts.open)
  if (worst) {
    const others = facts.open.filter((run) => run !== worst)
    return {
      state: worstState([worst.state]),
      verdict: [...say`${stands(worst)}.`, ...rest(others)],
      until: worst.until,
    }
  }
  const overdue = facts.expected.filter(({ state }) => state === 'overdue')
  const [first] = overdue
  if (first) {
    const more = overdue.length > 1 ? ` So it is with ${count(overdue.length - 1, 'more event')}.` : ''
    return {
      state: 'overdue',
      verdict: say`${first.expected} has not come: it was due ${time(first.dueAt)}.${more}`,
      until: null,
    }
  }
  return { state: 'done', ...done(facts) }
}

function stands(run: OpenFact): Sentence {
  if (run.state !== 'parked') return say`${link('run', runId(run), run.flow)}: ${run.why}`
  const where = run.system === null ? link('flow', run.flow) : link('system', run.system)
  const since = run.triedAt === null ? say`` : say` since ${time(run.triedAt)}`
  return run.message === null
    ? say`Stuck at ${where}${since}: ${link('run', runId(run), run.flow)} ${run.why}`
    : say`Stuck at ${where}${since}: ${run.message}`
}

function rest(others: readonly OpenFact[]): Sentence {
  if (others.length === 0) return []
  const parked = others.filter(({ state }) => state === 'parked').length
  const waiting = others.length - parked
  const wait = waiting === 0 ? '' : `, ${waiting} ${waiting === 1 ? 'waits' : 'wait'}`
  if (parked > 0)
    return say` ${count(parked, 'more run')} ${parked === 1 ? 'needs' : 'need'} a person${wait}.`
  return say` ${count(others.length, 'more run')} ${others.length === 1 ? 'is' : 'are'} not done.`
}

function done({
  events,
  maxCounted,
  lastAt,
  expected,
}: ObjectFacts): Pick<ObjectDetail, 'verdict' | 'until'> {
  if (events === 0) return { verdict: say`No event about it has come; only its ids are known.`, until: null }
  const came = lastAt === null ? say`` : say`, the last one ${time(lastAt)}`
  const all = say`All is done: ${count(events, 'event', maxCounted - 1)}${came}.`
  const next = expected.toSorted((one, other) => one.dueAt.localeCompare(other.dueAt))[0]
  if (!next) return { verdict: all, until: null }
  return { verdict: [...all, ...say` ${next.expected} must come by ${time(next.dueAt)}.`], until: next.dueAt }
}

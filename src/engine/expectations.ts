import { hash } from 'node:crypto'
import type { Expectation } from '../define/expectation.ts'
import type {
  ExpectationRegistration,
  ExpectationsJournal,
  ExpectationState,
  ExpectationStates,
} from '../journal/port-expectations.ts'
import type { Cancel, Clock } from './clock.ts'
import type { Unread } from './expecting.ts'
import { expecting, needsData } from './expecting.ts'

/** What a watch needs. */
export interface ExpectationWatchDeps {
  readonly expectations: readonly Expectation[]
  readonly journal: ExpectationsJournal
  readonly clock: Clock
  readonly onError: (error: unknown) => void
  /** Of a stretch of the log: events that could not be taken into account. */
  readonly onUnread?: (unread: readonly Unread[]) => void
  /** A newer deployment has changed or removed this one; it is watched here no more. */
  readonly onOutdated?: (name: string) => void
}

const everyMs = 1_000
/** One that another worker has moved so lately is left to it. */
const freshMs = 700
/** An event gets its time before it is visible: what is due a moment ago may have come. */
const graceMs = 1_000

/** What the journal is told of the expectations of this deployment. */
export function expectationRegistrations(
  expectations: readonly Expectation[],
): readonly ExpectationRegistration[] {
  return expectations.map((expectation) => {
    const { name, lookBackMs, start } = expectation
    const { after, expected, within } = declarationOf(expectation)
    return {
      name,
      print: printOf(expectation),
      declaration: { after, expected, within },
      lookBackMs,
      start: typeof start === 'string' ? start : { at: start.at.getTime() },
    }
  })
}

function declarationOf({ after, expected, withinWords, withinMs, calendar, lookBackMs }: Expectation) {
  return {
    after: after.type,
    expected: expected.type,
    within: withinWords,
    withinMs,
    lookBackMs,
    calendar: calendar && {
      ...calendar,
      days: [...calendar.days].sort(),
      holidays: [...calendar.holidays].sort(),
    },
  }
}

function printOf(expectation: Expectation): string {
  return hash('sha256', JSON.stringify(declarationOf(expectation)), 'hex').slice(0, 16)
}

/**
 * Follows the log for expectations, about once a second, apart from the lanes. Every live worker does; each stretch of
 * the log counts once, whoever reads it first. Without expectations nothing is asked. `start` and `stop` are safe to call
 * twice; `stop` resolves when the last look has settled.
 */
export class ExpectationWatch {
  readonly #deps: ExpectationWatchDeps
  readonly #mine: ReadonlyMap<string, { readonly expectation: Expectation; readonly print: string }>
  readonly #outdated = new Set<string>()
  #cancel: Cancel | undefined
  #looking: Promise<void> = Promise.resolve()
  #state: 'new' | 'running' | 'stopped' = 'new'

  constructor(deps: ExpectationWatchDeps) {
    this.#deps = deps
    this.#mine = new Map(
      deps.expectations.map((expectation) => [
        expectation.name,
        { expectation, print: printOf(expectation) },
      ]),
    )
  }

  start(): void {
    if (this.#state !== 'new' || this.#mine.size === 0) return
    this.#state = 'running'
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#cancel?.()
    await this.#looking
  }

  /** Looks now, and until nothing is left to do. Rejects when the journal does not answer. */
  look(): Promise<void> {
    const looked = this.#looking.then(() => this.#look(false))
    this.#looking = looked.catch(() => undefined)
    return looked
  }

  #schedule(): void {
    this.#cancel = this.#deps.clock.timer(everyMs, () => {
      this.#looking = this.#looking
        .then(() => this.#look(true))
        .catch(this.#deps.onError)
        .then(() => {
          if (this.#state === 'running') this.#schedule()
        })
    })
  }

  /** Window after window, until all stand at the head and nothing is overdue. */
  async #look(mayLeave: boolean): Promise<void> {
    if (this.#mine.size === 0) return
    for (let round = 0; this.#state !== 'stopped'; round++) {
      const states = await this.#deps.journal.expectationStates([...this.#mine.keys()])
      const due = this.#own(states).filter(
        (state) => isDue(state, states) && !(mayLeave && round === 0 && state.sinceMs < freshMs),
      )
      if (due.length === 0) return
      for (const group of Map.groupBy(due, ({ position }) => position).values())
        await this.#advance(group, states)
    }
  }

  /** Without those of which another deployment has another idea. */
  #own({ items }: ExpectationStates): readonly ExpectationState[] {
    const own = items.filter(({ name, print }) => this.#mine.get(name)?.print === print)
    for (const name of this.#mine.keys()) {
      if (own.some((state) => state.name === name)) this.#outdated.delete(name)
      else if (!this.#outdated.has(name)) {
        this.#outdated.add(name)
        this.#deps.onOutdated?.(name)
      }
    }
    return own
  }

  /** One window of the log for expectations that stand at the same place. */
  async #advance(group: readonly ExpectationState[], { head, at }: ExpectationStates): Promise<void> {
    const { journal, onUnread } = this.#deps
    const from = group[0]?.position ?? head
    const watched = group.flatMap(({ id, name }) => {
      const known = this.#mine.get(name)
      return known ? { id, expectation: known.expectation } : []
    })
    const types = [
      ...new Set(watched.flatMap(({ expectation: { after, expected } }) => [after.type, expected.type])),
    ]
    const withData = types.filter((type) => watched.some(({ expectation }) => needsData(expectation, type)))
    const { events, readTo } =
      from < head
        ? await journal.readExpected({ after: from, upTo: head, types, withData })
        : { events: [], readTo: from }
    const stretched = await Promise.all(
      watched.map(async ({ id, expectation }) => ({ id, ...(await expecting(id, expectation, events)) })),
    )
    const moved = await journal.advanceExpectations({
      ids: group.map(({ id }) => id),
      from,
      to: readTo,
      opens: stretched.flatMap(({ opens }) => opens),
      closes: stretched.flatMap(({ closes }) => closes),
      counts: stretched.map(({ id, met, unread }) => ({ e: id, met, unread: unread.length })),
      until: readTo >= head ? at - graceMs : null,
    })
    const unread = stretched.flatMap((each) => (moved.includes(each.id) ? each.unread : []))
    if (unread.length > 0) onUnread?.(unread)
  }
}

/** There is something to read, or something overdue. */
function isDue({ position, firstDue }: ExpectationState, { head, at }: ExpectationStates): boolean {
  return position < head || (firstDue !== null && firstDue <= at - graceMs)
}

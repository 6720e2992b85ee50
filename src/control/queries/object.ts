import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { explainObject, worstRun } from '../explain-object.ts'
import { iso, isoAlways } from '../moment.ts'
import type { Link } from '../schema/link.ts'
import type { Journey, ObjectDetail, StoryEntry } from '../schema/object.ts'
import type { RunRef } from '../schema/run.ts'
import { runId } from '../sentence.ts'
import { stateWord } from '../state-word.ts'
import { actsOn } from './acts-on.ts'
import { linksOfId } from './links.ts'
import { eventsInAll, maxEvents, objectEvents } from './object-events.ts'
import type { ObjectName } from './object-events.ts'
import { expectedOf, openRuns } from './object-open.ts'
import type { OpenRunFact } from './object-open.ts'
import { declaredSteps, storyOf } from './object-story.ts'
import type { DeclaredSteps } from './object-story.ts'
import { eventRuns } from './run-facts.ts'
import type { RunRecord } from './run-facts.ts'
import { stepsOf } from './steps.ts'

/** Which object, and which part of its story. */
export interface ObjectQuery {
  readonly key: string
  readonly before?: number | undefined
  readonly limit: number
}

/**
 * An object's story: where it stands, what it waits for, its ids, and one page of what happened to it. The page is one of
 * its events, newest first, with all that followed from them; events of a system under the id that the object has there
 * count, too. Throws `request.not-found` for a key that no event and no cross-reference knows.
 */
export async function findObject(database: Database, query: ObjectQuery): Promise<ObjectDetail> {
  const { key, before = Number.MAX_SAFE_INTEGER, limit } = query
  const { items: links, conflicts } = await linksOfId(database, key)
  const names: ObjectName[] = [
    { key, system: null },
    ...links
      .filter(({ external }) => external !== key)
      .map(({ external, system }) => ({ key: external, system })),
  ]
  const page = await objectEvents(database, { names, before, limit: limit + 1 })
  const inAll = await eventsInAll(database, key)
  if (page.length === 0 && inAll.events === 0 && links.length === 0)
    throw new BusbarError('request.not-found', `no event and no cross-reference knows ${key}`)
  const events = page.slice(0, limit)
  const seqs = events.map(({ seq }) => seq)
  const runs = [...(await eventRuns(database, seqs)).values()].flat()
  const declared = await declaredSteps(database)
  const open = await openRuns(database, { key, newest: query.before === undefined ? seqs : [] })
  const expected = await expectedOf(database, key)
  const systems = await database.query<{ name: string }>({ text: 'SELECT name FROM systems' })
  const told = await storyOf(database, { events, runs, declared, systems: systems.map(({ name }) => name) })
  const problems = query.before === undefined ? open.flatMap(({ problem }) => problem ?? []) : []
  const acts = await actsOn(database, auditNames({ runs, declared, problems, links }))
  const story = [...told, ...acts.map(actEntry)].sort((one, other) => one.at.localeCompare(other.at))
  const [now] = await database.query<{ at: Date }>({ text: 'SELECT clock_timestamp() AS at' })
  const lastAt = iso(inAll.last_at)
  return {
    key,
    kind: links[0]?.kind ?? null,
    ...explainObject({ events: inAll.events, maxCounted: maxEvents, lastAt, open, expected }),
    events: inAll.events,
    firstAt: iso(inAll.first_at),
    lastAt,
    links,
    conflicts,
    open: open.map(openRun),
    expected,
    journey: await journeyOf(database, { open, runs, declared, links }),
    systems: systemsOf(story, links),
    story,
    next: page.length > limit ? String(events.at(-1)?.seq) : null,
    nowAt: isoAlways(now?.at ?? null),
  }
}

/** The object that has this id in a system; throws `request.not-found`. */
export async function findByExternalId(
  database: Database,
  {
    system,
    external,
    ...rest
  }: Omit<ObjectQuery, 'key'> & { readonly system: string; readonly external: string },
): Promise<ObjectDetail> {
  const [row] = await database.query<{ id: string }>({
    text: 'SELECT cid AS id FROM links WHERE system = $1 AND ext = $2 ORDER BY kind LIMIT 1',
    values: [system, external],
  })
  if (!row)
    throw new BusbarError('request.not-found', `nothing is known that has the id ${external} in ${system}`)
  return findObject(database, { key: row.id, ...rest })
}

/** As the audit trail names what belongs to an object. */
function auditNames(parts: {
  readonly runs: readonly RunRecord[]
  readonly declared: DeclaredSteps
  readonly problems: readonly string[]
  readonly links: readonly Link[]
}): string[] {
  return [
    ...parts.runs.flatMap((run) => namesOfRun(run, parts.declared.get(run.flow) ?? [])),
    ...parts.problems.map((problem) => `problem ${problem}`),
    ...parts.links.map(({ kind, id, system }) => `${kind} ${id} in ${system}`),
  ]
}

/** As the audit trail names a run and its steps. */
export function namesOfRun(run: RunRef, steps: readonly { readonly name: string }[]): string[] {
  return [`run ${runId(run)}`, ...steps.map(({ name }) => `step ${name} of run ${runId(run)}`)]
}

function actEntry({
  at,
  actor,
  verb,
  object,
  reason,
}: {
  readonly at: string
  readonly actor: string
  readonly verb: string
  readonly object: string
  readonly reason: string | null
}): StoryEntry {
  return { kind: 'act', at, system: null, run: runOfAct(object), step: null, actor, verb, object, reason }
}

/** The run that an audit entry speaks of. */
function runOfAct(object: string): RunRef | null {
  const [, flow, seq, generation = '0'] = /run ([^ /]+)\/(\d+)(?:\/(\d+))?$/.exec(object) ?? []
  if (flow === undefined || seq === undefined) return null
  return { flow, seq: Number(seq), generation: Number(generation) }
}

function openRun({ flow, seq, generation, state, system, step, problem, why, until }: OpenRunFact) {
  return { flow, seq, generation, state, system, step, problem, why, until }
}

/** The run that the object is stuck in, or that of the page with the most steps, the newest of these. */
async function journeyOf(
  database: Database,
  parts: {
    readonly open: readonly OpenRunFact[]
    readonly runs: readonly RunRecord[]
    readonly declared: DeclaredSteps
    readonly links: readonly Link[]
  },
): Promise<Journey | null> {
  const stepsIn = ({ flow }: RunRef) => parts.declared.get(flow)?.length ?? 0
  const record =
    worstRun(parts.open)?.record ??
    parts.runs
      .filter((run) => run.state !== null && stepsIn(run) > 0)
      .sort(
        (one, other) =>
          stepsIn(other) - stepsIn(one) || other.seq - one.seq || other.generation - one.generation,
      )[0]
  if (!record) return null
  const { flow, seq, generation, type, source, receivedAt } = record
  const address = { flow: record.flowId, seq, gen: generation }
  const steps = await stepsOf(database, { record, declared: parts.declared.get(flow) ?? [], address })
  const given = (step: string, system: string | null) =>
    parts.links.find((link) => link.system === system && link.step === step)?.external ?? null
  return {
    ...{ flow, seq, generation, type, source, receivedAt },
    state: stateWord(record.state),
    steps: steps.map(({ name, kind, after, system, state, endedAt }) => ({
      ...{ name, kind, after, system, state, endedAt },
      external: given(name, system),
    })),
  }
}

/** The columns of the time axis: where events came from first, then where they went. */
function systemsOf(story: readonly StoryEntry[], links: readonly Link[]): string[] {
  const sources = story.filter(({ kind }) => kind === 'event')
  const named = [...sources, ...story].flatMap(({ system }) => system ?? [])
  return [...new Set([...named, ...links.map(({ system }) => system)])]
}

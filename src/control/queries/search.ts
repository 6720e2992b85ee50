import type { Database } from '../../journal/database.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { SearchHit, SearchQuery, SearchResult } from '../schema/search.ts'
import { searchKinds } from '../schema/search.ts'
import { link, runId, say } from '../sentence.ts'
import { objectStates } from './object-states.ts'
import { afterPrefix } from './prefix.ts'
import { eventRuns } from './run-facts.ts'
import { stateWord } from '../state-word.ts'

/** What is looked for. */
interface Wanted {
  readonly q: string
  readonly limit: number
}

type Finder = (database: Database, wanted: Wanted) => Promise<SearchHit[]>

/** Distinct sources and systems that are looked through for an id without one. */
const maxNames = 200
/** Newest problems whose titles are read. */
const maxProblems = 5_000

/**
 * Finds things by what they are called: objects by key or by an id that a system has given them, events by id or place in
 * the log, runs as `flow/seq`, problems by words of their title, systems and flows by a part of their name. Keys and ids
 * are matched from their beginning. Each finder goes down an index as far as its limit: no answer costs a scan.
 */
export async function search(database: Database, query: SearchQuery): Promise<SearchResult> {
  const wanted = { q: query.q, limit: query.limit }
  const kinds = query.kind === undefined ? searchKinds : [query.kind]
  const found = await Promise.all(kinds.map((kind) => finders[kind](database, wanted)))
  const items = found.flat()
  return { items: [...items.filter(({ exact }) => exact), ...items.filter(({ exact }) => !exact)] }
}

const finders: Readonly<Record<SearchHit['kind'], Finder>> = {
  object: findObjects,
  run: findRuns,
  event: findEvents,
  problem: findProblems,
  system: findSystems,
  flow: findFlows,
}

// Keys one after another on events_by_key (key, seq), two probes each; the words as typed, then in capitals.
const keysText = `
WITH RECURSIVE words AS (
  SELECT w.text, w.text || $2::text AS after FROM unnest($1::text[]) AS w (text)
), keys AS (
  SELECT f.key, w.after FROM words w CROSS JOIN LATERAL (
    SELECT e.key FROM events e WHERE e.key >= w.text AND e.key < w.after ORDER BY e.key LIMIT 1
  ) f
  UNION ALL
  SELECT n.key, k.after FROM keys k CROSS JOIN LATERAL (
    SELECT e.key FROM events e WHERE e.key > k.key AND e.key < k.after ORDER BY e.key LIMIT 1
  ) n
)
SELECT k.key, l.seq, l.type, l.source, l.received_at
FROM (SELECT DISTINCT f.key FROM (SELECT key FROM keys LIMIT $3::int) f) k
CROSS JOIN LATERAL (
  SELECT e.seq, e.type, e.source, e.received_at FROM events e WHERE e.key = k.key ORDER BY e.seq DESC LIMIT 1
) l
ORDER BY k.key`

// Ids on the unique index (system, ext, kind), one range for each system that links know; then ids of the objects themselves.
const linksText = `
WITH RECURSIVE systems AS (
  (SELECT k.system FROM links k ORDER BY k.system LIMIT 1)
  UNION ALL
  SELECT n.system FROM systems s CROSS JOIN LATERAL (
    SELECT k.system FROM links k WHERE k.system > s.system ORDER BY k.system LIMIT 1
  ) n
), kinds AS (
  (SELECT k.kind FROM links k ORDER BY k.kind LIMIT 1)
  UNION ALL
  SELECT n.kind FROM kinds s CROSS JOIN LATERAL (
    SELECT k.kind FROM links k WHERE k.kind > s.kind ORDER BY k.kind LIMIT 1
  ) n
)
(SELECT f.kind, f.cid AS id, f.system, f.ext AS external, f.at, true AS "byExternal"
 FROM (SELECT system FROM systems LIMIT ${maxNames}) s CROSS JOIN LATERAL (
   SELECT k.kind, k.cid, k.system, k.ext, k.at FROM links k
   WHERE k.system = s.system AND k.ext >= $1::text AND k.ext < $1 || $2::text ORDER BY k.ext LIMIT $3::int
 ) f ORDER BY f.ext <> $1, f.ext LIMIT $3::int)
UNION ALL
(SELECT f.kind, f.cid, f.system, f.ext, f.at, false
 FROM (SELECT kind FROM kinds LIMIT ${maxNames}) s CROSS JOIN LATERAL (
   SELECT k.kind, k.cid, k.system, k.ext, k.at FROM links k
   WHERE k.kind = s.kind AND k.cid >= $1::text AND k.cid < $1 || $2::text AND k.ext IS NOT NULL ORDER BY k.cid LIMIT $3::int
 ) f ORDER BY f.cid <> $1, f.cid LIMIT $3::int)`

interface KeyRow {
  readonly key: string
  readonly seq: number
  readonly type: string
  readonly source: string
  readonly received_at: DatabaseTime
}
interface LinkRow {
  readonly kind: string
  readonly id: string
  readonly system: string
  readonly external: string
  readonly at: DatabaseTime
  readonly byExternal: boolean
}

async function findObjects(database: Database, { q, limit }: Wanted): Promise<SearchHit[]> {
  const words = [...new Set([q, q.toUpperCase()])]
  const [keys, links] = await Promise.all([
    database.query<KeyRow>({ text: keysText, values: [words, afterPrefix, limit] }),
    database.query<LinkRow>({ text: linksText, values: [q, afterPrefix, limit] }),
  ])
  const known = new Map<string, Omit<SearchHit, 'state'>>()
  for (const row of keys)
    known.set(row.key, {
      ...object(row.key, words.includes(row.key)),
      about: say`${row.type} from ${row.source} came last`,
      lastSeen: iso(row.received_at),
    })
  for (const row of links) {
    const exact = row.byExternal ? row.external === q : row.id === q
    if (known.get(row.id)?.exact === true || (known.has(row.id) && !exact)) continue
    known.set(row.id, {
      ...object(row.id, exact),
      about: say`${row.kind}, ${row.external} in ${link('system', row.system)}`,
      lastSeen: iso(row.at),
    })
  }
  const hits = [...known.values()]
    .sort((one, other) => Number(other.exact) - Number(one.exact))
    .slice(0, limit)
  const states = await objectStates(
    database,
    hits.map(({ id }) => id),
  )
  return hits.map((hit) => ({ ...hit, state: states.get(hit.id)?.state ?? 'done' }))
}

function object(key: string, exact: boolean) {
  return { kind: 'object' as const, id: key, text: key, exact }
}

/** `flow/seq` or `flow/seq/generation`. */
async function findRuns(database: Database, { q }: Wanted): Promise<SearchHit[]> {
  const [, flow, seq, generation = '0'] = /^(.{1,80})\/(\d{1,15})(?:\/(\d{1,5}))?$/.exec(q) ?? []
  if (flow === undefined || seq === undefined) return []
  const records = (await eventRuns(database, [Number(seq)])).get(Number(seq)) ?? []
  const run = records.find((each) => each.flow === flow && each.generation === Number(generation))
  if (!run) return []
  const about =
    run.key === null
      ? say`${run.type} from ${run.source}`
      : say`${run.type} of ${link('object', run.key)}, from ${run.source}`
  const at = run.endedAt ?? run.firstAt ?? run.receivedAt
  return [
    {
      kind: 'run',
      id: runId(run),
      text: runId(run),
      about,
      state: stateWord(run.state),
      lastSeen: at,
      exact: true,
    },
  ]
}

// Its place in the log by the primary key; its id on the unique index (source, id), one range for each source.
const eventsText = `
WITH RECURSIVE sources AS (
  (SELECT e.source FROM events e ORDER BY e.source LIMIT 1)
  UNION ALL
  SELECT n.source FROM sources s CROSS JOIN LATERAL (
    SELECT e.source FROM events e WHERE e.source > s.source ORDER BY e.source LIMIT 1
  ) n
)
(SELECT e.seq, e.id, e.type, e.source, e.key, e.received_at FROM events e WHERE e.seq = $4::bigint)
UNION ALL
(SELECT f.* FROM (SELECT source FROM sources LIMIT ${maxNames}) s CROSS JOIN LATERAL (
   SELECT e.seq, e.id, e.type, e.source, e.key, e.received_at FROM events e
   WHERE e.source = s.source AND e.id >= $1::text AND e.id < $1 || $2::text ORDER BY e.id LIMIT $3::int
 ) f ORDER BY f.id <> $1, f.id LIMIT $3::int)`

interface EventRow extends KeyRow {
  readonly id: string
}

async function findEvents(database: Database, { q, limit }: Wanted): Promise<SearchHit[]> {
  const seq = /^\d{1,15}$/.test(q) ? Number(q) : null
  const rows = await database.query<EventRow>({ text: eventsText, values: [q, afterPrefix, limit, seq] })
  return rows.slice(0, limit).map((row) => ({
    kind: 'event',
    id: String(row.seq),
    text: row.id,
    about:
      (row.key as string | null) === null
        ? say`${row.type} from ${row.source}`
        : say`${row.type} of ${link('object', row.key)}, from ${row.source}`,
    state: null,
    lastSeen: iso(row.received_at),
    exact: row.id === q || row.seq === seq,
  }))
}

async function findProblems(database: Database, { q, limit }: Wanted): Promise<SearchHit[]> {
  const rows = await database.query<{
    fp: string
    title: string
    system: string
    code: string
    state: string
    last_seen: DatabaseTime
  }>({
    text: `SELECT p.fp, problem_title(p) AS title, p.system, p.code, p.state, p.last_seen FROM (
             SELECT * FROM problems ORDER BY last_seen DESC LIMIT ${maxProblems}
           ) p
           WHERE strpos(lower(problem_title(p)), lower($1::text)) > 0 OR p.code = $1 OR p.fp = $1
           ORDER BY p.state NOT IN ('open', 'acknowledged'), p.last_seen DESC LIMIT $2::int`,
    values: [q, limit],
  })
  return rows.map((row) => ({
    kind: 'problem',
    id: row.fp,
    text: row.title,
    about: say`problem of ${link('system', row.system)}, ${row.code}`,
    state: row.state,
    lastSeen: iso(row.last_seen),
    exact: row.fp === q,
  }))
}

async function findSystems(database: Database, { q, limit }: Wanted): Promise<SearchHit[]> {
  const rows = await database.query<{ name: string; address: string; changed_at: DatabaseTime }>({
    text: `SELECT name, address, changed_at FROM systems WHERE strpos(lower(name), lower($1::text)) > 0
           ORDER BY lower(name) <> lower($1), name LIMIT $2::int`,
    values: [q, limit],
  })
  return rows.map(({ name, address }) => named('system', name, { q, what: address }))
}

async function findFlows(database: Database, { q, limit }: Wanted): Promise<SearchHit[]> {
  const rows = await database.query<{ name: string; types: string[] }>({
    text: `SELECT name, types FROM flows WHERE NOT removed AND strpos(lower(name), lower($1::text)) > 0
           ORDER BY lower(name) <> lower($1), name LIMIT $2::int`,
    values: [q, limit],
  })
  return rows.map(({ name, types }) => named('flow', name, { q, what: `takes ${types.join(', ')}` }))
}

function named(
  kind: 'system' | 'flow',
  name: string,
  { q, what }: { readonly q: string; readonly what: string },
): SearchHit {
  const exact = name.toLowerCase() === q.toLowerCase()
  const about = what === '' ? say`${kind}` : say`${kind}, ${what}`
  return { kind, id: name, text: name, about, state: null, lastSeen: null, exact }
}

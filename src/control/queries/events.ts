import type { Database, Statement } from '../../journal/database.ts'
import { parseExactly } from '../exact-json.ts'
import { explainRun } from '../explain.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { EventDetail, EventPage, EventsQuery, EventSummary } from '../schema/event.ts'
import { runState } from '../../journal/port.ts'
import { seqAt } from './run-pages.ts'
import { stateWord } from '../state-word.ts'
import { eventRuns } from './run-facts.ts'
import type { RunRecord } from './run-facts.ts'

/** Most events that one page looks through, so that a rare type among millions of events costs a bounded scan. */
const maxScan = 5_000

const columns = 'e.seq, e.source, e.id, e.type, e.key, e.received_at, octet_length(e.data) AS bytes, e.ext'

// Whether a flow made one of these of the event: a probe of the primary key of runs for each flow.
const hasRun = (seq: string) => `($7::smallint[] IS NULL OR EXISTS (
    SELECT FROM flows f JOIN runs r ON r.flow = f.id AND r.seq = ${seq} AND r.state = ANY ($7)
  ))`

// $1 type, $2 source, $3 after, $4 before, $5 scan, $6 limit, $7 states, $8 key. A scan that was cut off is complete above its floor.
const pageOfScanned = `
SELECT b.floor, f.received_at AS floor_at, p.* FROM (SELECT CASE WHEN count(*) >= $5::int THEN min(seq) END AS floor FROM scanned) b
LEFT JOIN events f ON f.seq = b.floor
LEFT JOIN LATERAL (
  SELECT ${columns} FROM scanned s JOIN events e ON e.seq = s.seq
  WHERE ($1::text IS NULL OR s.type = $1) AND ($2::text IS NULL OR s.source = $2) AND ${hasRun('s.seq')}
  ORDER BY s.seq DESC LIMIT $6::int
) p ON true
ORDER BY p.seq DESC`

// The primary key, backwards.
const bySeq = `
WITH scanned AS MATERIALIZED (
  SELECT e.seq, e.type, e.source FROM events e
  WHERE e.seq > $3::bigint AND e.seq < $4::bigint ORDER BY e.seq DESC LIMIT $5::int
) ${pageOfScanned}`

// events_by_key (key, seq), backwards.
const byKey = `
WITH scanned AS MATERIALIZED (
  SELECT e.seq, e.type, e.source FROM events e
  WHERE e.key = $8::text AND e.seq > $3::bigint AND e.seq < $4::bigint ORDER BY e.seq DESC LIMIT $5::int
) ${pageOfScanned}`

// One range per flow and state, on runs_open_by_state or runs_ended_otherwise, both (state, flow, seq), backwards.
const byRun = (ofIndex: 'r.state < 10' | 'r.state > 10') => `
WITH scanned AS MATERIALIZED (
  SELECT e.seq, e.type, e.source FROM (
    SELECT DISTINCT o.seq FROM flows f CROSS JOIN unnest($7::smallint[]) w (state) CROSS JOIN LATERAL (
      SELECT r.seq FROM runs r
      WHERE r.state = w.state AND ${ofIndex} AND r.flow = f.id AND r.seq > $3::bigint AND r.seq < $4::bigint
      ORDER BY r.seq DESC LIMIT $5::int
    ) o
  ) o JOIN events e ON e.seq = o.seq ORDER BY e.seq DESC LIMIT $5::int
) ${pageOfScanned}`

// At most one, by its identity.
const byIdentity = `
SELECT NULL::bigint AS floor, NULL::timestamptz AS floor_at, ${columns} FROM events e
WHERE e.source = $2::text AND e.id = $1::text AND e.seq > $3::bigint AND e.seq < $4::bigint
  AND ($5::text IS NULL OR e.type = $5) AND ($6::text IS NULL OR e.key = $6)`

/**
 * One page of events, newest first, with what each flow made of them. `id` alone is not indexed: it needs its `source`,
 * so without one it is matched within the newest events only as the type is. A page may hold fewer than asked, even
 * none, and still have a next: scans are bounded.
 */
export async function listEvents(database: Database, query: EventsQuery): Promise<EventPage> {
  const { from, to } = query
  const after = Math.max(query.after ?? 0, from === undefined ? 0 : (await seqAt(database, from)) - 1)
  const end = to === undefined ? Number.MAX_SAFE_INTEGER : await seqAt(database, to)
  const before = Math.min(query.before ?? Number.MAX_SAFE_INTEGER, end)
  const rows = await database.query<PageRow>(pageStatement({ ...query, after, before }))
  const found = rows.filter((row) => row.seq !== null)
  const page = found.slice(0, query.limit)
  const runs = await eventRuns(
    database,
    page.map((row) => row.seq),
  )
  const { floor = null, floor_at: floorAt = null } = rows[0] ?? {}
  const more = found.length > query.limit ? page.at(-1)?.seq : (floor ?? undefined)
  return {
    items: page.map((row) => ({ ...eventHead(row), runs: (runs.get(row.seq) ?? []).map(runWord) })),
    next: more === undefined ? null : String(more),
    looked: floor === null || found.length > query.limit ? null : { from: floor, since: isoAlways(floorAt) },
  }
}

function pageStatement(query: EventsQuery & { readonly after: number; readonly before: number }): Statement {
  const { type = null, source = null, key, id, after, before, state } = query
  if (source !== null && id !== undefined)
    return { text: byIdentity, values: [id, source, after, before, type, key ?? null] }
  const code = state === undefined ? undefined : runState[state]
  const isScan = type !== null || source !== null || code !== undefined
  const text =
    key !== undefined
      ? byKey
      : code !== undefined && code !== runState.succeeded
        ? byRun(code < 10 ? 'r.state < 10' : 'r.state > 10')
        : bySeq
  const states = code === undefined ? null : [code]
  const values = [type, source, after, before, isScan ? maxScan : query.limit + 1, query.limit + 1]
  return { text: text, values: text === byKey ? [...values, states, key] : [...values, states] }
}

/** The event at this place in the log, whole; undefined when there is none. */
export async function findEvent(database: Database, seq: number): Promise<EventDetail | undefined> {
  const event = await eventContent(database, seq)
  if (event === undefined) return undefined
  const runs = await eventRuns(database, [seq])
  return { ...event, runs: (runs.get(seq) ?? []).map(eventRun) }
}

/** The place in the log of the event with this identity; undefined when there is none. */
export async function seqOfEvent(
  database: Database,
  identity: { readonly source: string; readonly id: string },
): Promise<number | undefined> {
  const [row] = await database.query<{ seq: number }>({
    text: 'SELECT seq FROM events WHERE source = $1 AND id = $2',
    values: [identity.source, identity.id],
  })
  return row?.seq
}

/** The event with its data, without its runs; undefined when there is none. */
export async function eventContent(
  database: Database,
  seq: number,
): Promise<Omit<EventDetail, 'runs'> | undefined> {
  const [row] = await database.query<EventRow & { data: string }>({
    text: `SELECT ${columns}, e.data FROM events e WHERE e.seq = $1`,
    values: [seq],
  })
  if (!row) return undefined
  const attributes = JSON.parse(row.ext) as EventAttributes
  return {
    ...eventHead(row),
    data: parseExactly(row.data),
    dataschema: attributes.dataschema ?? null,
    datacontenttype: attributes.datacontenttype ?? null,
    extensions: attributes.extensions ?? {},
  }
}

interface EventRow {
  seq: number
  source: string
  id: string
  type: string
  key: string | null
  received_at: DatabaseTime
  bytes: number
  ext: string
}
interface PageRow extends EventRow {
  floor: number | null
  floor_at: DatabaseTime
}

interface EventAttributes {
  readonly subject?: string
  readonly time?: string
  readonly dataschema?: string
  readonly datacontenttype?: string
  readonly extensions?: Record<string, string>
}

function eventHead(row: EventRow): Omit<EventSummary, 'runs'> {
  const { subject, time } = JSON.parse(row.ext) as EventAttributes
  return {
    seq: row.seq,
    source: row.source,
    id: row.id,
    type: row.type,
    key: row.key,
    subject: subject ?? null,
    time: time ?? null,
    receivedAt: isoAlways(row.received_at),
    bytes: row.bytes,
  }
}

function runWord(run: RunRecord): EventSummary['runs'][number] {
  return { flow: run.flow, generation: run.generation, state: stateWord(run.state) }
}

function eventRun(run: RunRecord): EventDetail['runs'][number] {
  return { ...runWord(run), ...explainRun(run) }
}

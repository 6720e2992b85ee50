import type { Database } from '../../journal/database.ts'
import type { Declared } from '../declared.ts'
import { exampleOf } from '../json-schema.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Catalog, EventType } from '../schema/catalog.ts'

/** Volumes are taken from so many of the newest events, so that they cost the same however long the log is. */
const sampled = 5_000
const mostSources = 20

// The primary key, backwards.
const text = `
WITH newest AS MATERIALIZED (
  SELECT e.type, e.source, e.received_at FROM events e ORDER BY e.seq DESC LIMIT ${sampled}
), span AS (SELECT count(*) AS events, min(received_at) AS since, max(received_at) AS until FROM newest)
SELECT span.events, span.since, extract(epoch FROM clock_timestamp() - span.since)::double precision / 3600 AS hours,
       n.type, n.source, n.count, n.last_at
FROM span LEFT JOIN (
  SELECT type, source, count(*) AS count, max(received_at) AS last_at FROM newest GROUP BY type, source
) n ON true
ORDER BY n.count DESC, n.source`

interface Row {
  readonly events: number
  readonly since: DatabaseTime
  readonly hours: number | null
  readonly type: string | null
  readonly source: string | null
  readonly count: number | null
  readonly last_at: DatabaseTime
}

/** The declared event types with their volumes, and those types among the newest events that nobody declares here. */
export async function readCatalog(
  database: Database,
  declared: Pick<Declared, 'name' | 'types' | 'sources'>,
): Promise<Catalog> {
  const rows = await database.query<Row>({ text, values: [] })
  const [first] = rows
  const seen = new Map<string, Row[]>()
  for (const row of rows) if (row.type !== null) seen.set(row.type, [...(seen.get(row.type) ?? []), row])
  const hours = Math.max(first?.hours ?? 0, 1) // less than an hour says what came, not what would
  const known = new Set(declared.types.map(({ type }) => type))
  const strange = [...seen.keys()].filter((type) => !known.has(type)).map(undeclared)
  const items = [...declared.types, ...strange].map((each) =>
    withVolume(each, { rows: seen.get(each.type) ?? [], hours }),
  )
  return {
    name: declared.name,
    items: items.sort((one, other) => one.type.localeCompare(other.type)),
    sources: [...declared.sources],
    sample: { events: first?.events ?? 0, since: iso(first?.since ?? null) },
  }
}

function undeclared(type: string): Declared['types'][number] {
  return {
    type,
    version: '',
    schema: null,
    redacted: [],
    keyed: false,
    producers: [],
    consumers: [],
    awaitedBy: [],
  }
}

function withVolume(
  { producers, consumers, redacted, awaitedBy, schema, ...rest }: Declared['types'][number],
  { rows, hours }: { readonly rows: readonly Row[]; readonly hours: number },
): EventType {
  const count = rows.reduce((sum, row) => sum + (row.count ?? 0), 0)
  const lastAt =
    rows
      .map(({ last_at }) => iso(last_at))
      .sort()
      .at(-1) ?? null
  const sources = rows.flatMap(({ source }) => (source === null ? [] : [source])).slice(0, mostSources)
  return {
    ...rest,
    schema: schema && { ...schema },
    example: exampleOf(schema),
    redacted: [...redacted],
    producers: [...new Set([...producers, ...sources])],
    consumers: consumers.map(({ flow, systems }) => ({ flow, systems: [...systems] })),
    awaitedBy: [...awaitedBy],
    count,
    lastAt,
    perHour: count === 0 ? null : Math.round((count / hours) * 10) / 10,
  }
}

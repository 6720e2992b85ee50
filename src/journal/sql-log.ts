import { hashSlots } from '../define/transport.ts'
import type { Database } from './database.ts'
import type {
  Appended,
  AppendResult,
  EventLog,
  NewEvent,
  ReadResult,
  ReadWindow,
  StoredEvent,
} from './port.ts'
import { sameFact } from './same-fact.ts'

interface AppendRow {
  prev: number
  head: number
  at: number
  dup_ord: number[] | null
  dup_seq: string[] | null
  dup_same: boolean[] | null
}

/** Between the elements of a column, and for no key; refused in names and impossible in JSON text. See 0002-append.sql. */
const separator = '\x1e'
const noKey = '\x1f'

const eventColumns = `seq, source, id, type, key, khash, extract(epoch FROM received_at)::double precision * 1000 AS "receivedAt", data, ext`

/** The log in SQL. `appends` is a database of one connection, so that an append never waits behind other calls. */
export function sqlLog(database: Database, appends: Database): EventLog {
  const log: EventLog = {
    async append(events) {
      const [row] = await appends.query<AppendRow>({
        name: 'append',
        text: `SELECT prev, head, extract(epoch FROM at)::double precision * 1000 AS at, dup_ord, dup_seq, dup_same
               FROM append($1::int, $2::text, $3::text, $4::text, $5::text, $6::int[], $7::text, $8::text)`,
        values: [events.length, ...appendColumns(events)],
      })
      return appendResult(row as AppendRow, events)
    },

    async head() {
      const [row] = await database.query<{ head: number }>({
        name: 'head',
        text: 'SELECT coalesce(max(seq), 0) AS head FROM events',
      })
      return row?.head ?? 0
    },

    async read(window) {
      const rows = await database.query<StoredEvent & { total: number }>(readStatement(window))
      return readResult(rows, window)
    },

    async firstOf({ key, types, after }) {
      const [event] = await database.query<StoredEvent>({
        name: 'first-of', // events_by_key
        text: `SELECT ${eventColumns} FROM events WHERE key = $1 AND seq > $2 AND type = ANY ($3::text[]) ORDER BY seq LIMIT 1`,
        values: [key, after, types],
      })
      return event
    },

    get: (seqs) =>
      database.query<StoredEvent>({
        name: 'get',
        text: `SELECT ${eventColumns} FROM events WHERE seq = ANY ($1::bigint[])`,
        values: [seqs],
      }),
  }

  /** Unequal bytes may still be equal JSON; only then is it a duplicate and not a conflict. */
  async function appendResult(row: AppendRow, events: readonly NewEvent[]): Promise<AppendResult> {
    const results: Appended[] = events.map((_, index) => ({ kind: 'stored', seq: row.prev + index + 1 }))
    const unequal: number[] = []
    for (const [place, ord] of (row.dup_ord ?? []).entries()) {
      const seq = Number(row.dup_seq?.[place] ?? 0)
      results[ord - 1] = { kind: 'duplicate', seq }
      if (!row.dup_same?.[place]) unequal.push(ord - 1)
    }
    if (unequal.length > 0) await compareDeeply(unequal, events, results)
    return { prev: row.prev, head: row.head, receivedAt: row.at, results }
  }

  async function compareDeeply(
    indexes: readonly number[],
    events: readonly NewEvent[],
    results: Appended[],
  ): Promise<void> {
    const stored = new Map(
      (await log.get(indexes.map((index) => results[index]?.seq ?? 0))).map((event) => [event.seq, event]),
    )
    const conflicts: { source: string; id: string; type: string; seq: number }[] = []
    for (const index of indexes) {
      const event = events[index] as NewEvent
      const seq = results[index]?.seq ?? 0
      const first = stored.get(seq)
      if (first && sameFact(event, first)) continue
      results[index] = { kind: 'conflict', seq }
      conflicts.push({ source: event.source, id: event.id, type: event.type, seq })
    }
    if (conflicts.length === 0) return
    await database.query({
      text: `INSERT INTO refusals (source, id, type, code, seq)
             SELECT c.source, c.id, c.type, 'event.conflict', c.seq
             FROM json_to_recordset($1::json) AS c (source text, id text, type text, seq bigint)`,
      values: [JSON.stringify(conflicts)],
    })
  }

  return log
}

/** The columns of events as `append` takes them. */
export function appendColumns(events: readonly NewEvent[]): readonly string[] {
  const join = (pick: (event: NewEvent) => string) => events.map(pick).join(separator)
  return [
    join((event) => event.source),
    join((event) => event.id),
    join((event) => event.type),
    join((event) => event.key ?? noKey),
    `{${events.map((event) => event.khash).join(',')}}`,
    join((event) => event.data),
    join((event) => event.ext),
  ]
}

/**
 * The window is cut in the database: a rare type among ten million events costs a bounded scan of the primary key, no more
 * than `limit` events are looked at, and no more than `maxBytes` of data travel. octet_length of a stored text does not read the text.
 */
function readStatement(window: ReadWindow) {
  const { after, upTo, types, part, parts, slots, limit, maxBytes } = window
  const values: unknown[] = [after, upTo, types, part, parts, limit, maxBytes]
  const inSlots = slots ? `AND e.khash % ${hashSlots} = ANY ($${values.push(slots)}::int[])` : ''
  return {
    name: slots ? 'read-slots' : 'read',
    text: cutAfterBytes(
      '$7',
      `SELECT e.seq, e.source, e.id, e.type, e.key, e.khash, e.received_at, e.ext, e.data FROM events e
       WHERE e.seq > $1 AND e.seq <= $2 AND e.type = ANY ($3::text[]) AND e.khash % $5::int = $4::int ${inSlots}
       ORDER BY e.seq LIMIT $6`,
    ),
    values,
  }
}

/** Of these events, in order, those whose data are within the bytes, one at least; `total` says how many there were. */
export function cutAfterBytes(maxBytes: string, events: string): string {
  return `SELECT ${eventColumns}, total FROM (
            SELECT e.*, sum(octet_length(e.data)) OVER (ORDER BY e.seq) AS bytes, row_number() OVER (ORDER BY e.seq) AS place, count(*) OVER () AS total
            FROM (${events}) e
          ) w WHERE w.place = 1 OR w.bytes <= ${maxBytes} ORDER BY seq`
}

/** Known up to the end of the window, or up to the last event when it was cut off by its bounds. */
export function readResult(
  rows: readonly (StoredEvent & { total: number })[],
  window: Pick<ReadWindow, 'upTo' | 'limit'>,
): ReadResult {
  const last = rows.at(-1)
  if (!last) return { events: rows, readTo: window.upTo }
  const cut = rows.length >= window.limit || rows.length < last.total
  return { events: rows, readTo: cut ? last.seq : window.upTo }
}

import type { Database } from './database.ts'
import type { ExpectationsJournal, ExpectationState } from './port-expectations.ts'
import type { StoredEvent } from './port.ts'

/** Events, bytes of data, and places of the log that one read goes through at most. */
const most = { events: 1_000, bytes: 4 * 1_048_576, places: 10_000 }
/** Problems that one call opens at most. */
const mostOverdue = 500

/** Expectations in SQL; the functions are in 0015-expectations.sql. */
export function sqlExpectations(database: Database): ExpectationsJournal {
  return {
    async registerExpectations(list) {
      const rows = list.map(({ start, ...rest }) => ({
        ...rest,
        ...(typeof start === 'string' ? { start, at: 0 } : { start: 'at', at: start.at }),
      }))
      await database.query({ text: 'SELECT register_expectations($1::json)', values: [JSON.stringify(rows)] })
    },

    async expectationStates(names) {
      const rows = await database.query<ExpectationState & { head: number; at: number }>({
        name: 'expectation-states', // the first open one: expected_due
        text: `SELECT (SELECT coalesce(max(seq), 0) FROM events) AS head,
                      extract(epoch FROM clock_timestamp())::double precision * 1000 AS at,
                      x.id, x.name, x.print, x.position,
                      extract(epoch FROM clock_timestamp() - x.moved_at)::double precision * 1000 AS "sinceMs",
                      (SELECT extract(epoch FROM e.due_at)::double precision * 1000 FROM expected e
                       WHERE e.expectation = x.id AND e.state = 1 ORDER BY e.due_at LIMIT 1) AS "firstDue"
               FROM expectations x WHERE x.removed_at IS NULL AND x.name = ANY ($1::text[]) ORDER BY x.id`,
        values: [names],
      })
      return {
        head: rows[0]?.head ?? 0,
        at: rows[0]?.at ?? 0,
        items: rows.map(({ head: _head, at: _at, ...state }) => state),
      }
    },

    async readExpected({ after, upTo, types, withData }) {
      const end = Math.min(upTo, after + most.places)
      const rows = await database.query<StoredEvent & { total: number }>({
        name: 'read-expected', // the primary key, a bounded part of it
        text: `SELECT seq, source, id, type, key, khash, extract(epoch FROM received_at)::double precision * 1000 AS "receivedAt",
                      CASE WHEN needed THEN data ELSE '' END AS data, ext, total
               FROM (
                 SELECT e.*, e.type = ANY ($4::text[]) AS needed, row_number() OVER log AS place, count(*) OVER () AS total,
                        sum(CASE WHEN e.type = ANY ($4::text[]) THEN octet_length(e.data) ELSE 0 END) OVER log AS bytes
                 FROM events e WHERE e.seq > $1 AND e.seq <= $2 AND e.type = ANY ($3::text[])
                 WINDOW log AS (ORDER BY e.seq) ORDER BY e.seq LIMIT $5
               ) w WHERE w.place = 1 OR w.bytes <= $6 ORDER BY seq`,
        values: [after, end, types, withData, most.events, most.bytes],
      })
      const last = rows.at(-1)
      const isCut = last !== undefined && rows.length < last.total
      return { events: rows, readTo: isCut ? last.seq : end }
    },

    async advanceExpectations({ ids, from, to, opens, closes, counts, until }) {
      const [row] = await database.query<{ moved: number[] | null }>({
        name: 'advance-expectations',
        text: 'SELECT advance_expectations($1::smallint[], $2, $3, $4::json, $5::json, $6::json, $7, $8::int) AS moved',
        values: [
          ids,
          from,
          to,
          JSON.stringify(opens),
          JSON.stringify(closes),
          JSON.stringify(counts),
          until,
          mostOverdue,
        ],
      })
      return row?.moved ?? []
    },
  }
}

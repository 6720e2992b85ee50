import type { Database } from './database.ts'
import type { Moved, Outbox, OutboxClaim, OutboxHorizon, OutboxRow, OutboxWindow } from './port-outbox.ts'
import { appendColumns } from './sql-log.ts'

/** The outbox in SQL, over the same tables as the journal. */
export function sqlOutbox(database: Database): Outbox {
  return {
    async claim(relay, { leaseMs, after }) {
      const [row] = await database.query<{ claim: OutboxClaim }>({
        name: 'outbox-claim',
        text: 'SELECT claim_outbox($1, $2, $3) AS claim',
        values: [relay, leaseMs, after],
      })
      return row?.claim ?? 'empty'
    },

    async release(relay) {
      await database.query({
        text: `UPDATE outbox_relay SET until = '-infinity' WHERE holder = $1 AND until >= clock_timestamp()`,
        values: [relay],
      })
    },

    read: (window) => database.query<OutboxRow>(outboxWindow(window)),

    async horizon() {
      const [row] = await database.query<OutboxHorizon>({
        name: 'outbox-horizon',
        text: 'SELECT last, oldest, next FROM outbox_horizon()',
      })
      return row as OutboxHorizon
    },

    async move(accepted, rejected) {
      const [row] = await database.query<MovedRow>({
        name: 'outbox-move',
        text: `SELECT moved, prev, head, extract(epoch FROM at)::double precision * 1000 AS at, dup, conflict
               FROM move_outbox($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        values: [
          accepted.map(({ id }) => id),
          ...appendColumns(accepted.map(({ event }) => event)),
          rejected.map(({ id }) => id),
          rejected.map(({ code }) => code),
          rejected.map(({ message }) => message),
        ],
      })
      return row?.moved ? movedOf(row) : undefined
    },
  }
}

interface MovedRow {
  readonly moved: boolean
  readonly prev: number | null
  readonly head: number | null
  readonly at: number | null
  readonly dup: readonly number[] | null
  readonly conflict: readonly number[] | null
}

function movedOf({ prev, head, at, dup, conflict }: MovedRow): Moved {
  const conflicts = (conflict ?? []).map((ord) => ord - 1)
  return {
    prev: prev ?? 0,
    head: head ?? 0,
    receivedAt: at ?? 0,
    duplicates: (dup ?? []).map((ord) => ord - 1).filter((index) => !conflicts.includes(index)),
    conflicts,
  }
}

/**
 * outbox_pkey, from the oldest on. The sums are cut in the database, and octet_length of a stored text does not read the
 * text: a row of a gigabyte, or a thousand of a megabyte, never reaches this process.
 */
export function outboxWindow({ after, limit, maxBytes, maxRowBytes }: OutboxWindow) {
  return {
    name: 'outbox-read',
    text: `SELECT id, source, event_id AS "eventId", type, key, CASE WHEN bytes <= $4::int THEN data END AS data, bytes, ext
           FROM (
             SELECT o.*, octet_length(o.data) AS bytes, sum(octet_length(o.data)) OVER (ORDER BY o.id) AS total,
                    row_number() OVER (ORDER BY o.id) AS place
             FROM (SELECT * FROM outbox WHERE id > $1::bigint ORDER BY id LIMIT $2::int) o
           ) w WHERE w.place = 1 OR w.total <= $3::int ORDER BY id`,
    values: [after, limit, maxBytes, maxRowBytes],
  }
}

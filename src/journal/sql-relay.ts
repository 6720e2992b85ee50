import type { Database } from './database.ts'
import type { KnownQueue, RelayJournal } from './port-relay.ts'
import type { StoredEvent } from './port.ts'
import { cutAfterBytes, readResult } from './sql-log.ts'

/** What the relay of a transport does, in SQL. */
export function sqlRelay(database: Database): RelayJournal {
  return {
    async holdRelay({ transport, holder, leaseMs, position }) {
      const [row] = await database.query<{ position: number | null }>({
        name: 'hold-log-relay',
        text: 'SELECT hold_log_relay($1, $2, $3, $4) AS position',
        values: [transport, holder, leaseMs, position],
      })
      return row?.position ?? 'held'
    },

    async releaseRelay(transport, holder) {
      await database.query({
        text: `UPDATE log_relays SET until = '-infinity' WHERE transport = $1 AND holder = $2`,
        values: [transport, holder],
      })
    },

    async readAll(window) {
      const { after, upTo, limit, maxBytes } = window
      const rows = await database.query<StoredEvent & { total: number }>({
        name: 'read-all',
        text: cutAfterBytes(
          '$4',
          'SELECT * FROM events e WHERE e.seq > $1 AND e.seq <= $2 ORDER BY e.seq LIMIT $3',
        ),
        values: [after, upTo, limit, maxBytes],
      })
      return readResult(rows, window)
    },

    async noteQueue(transport, { queue, group, part, parts }) {
      await database.query({
        text: `INSERT INTO broker_queues (transport, queue, grp, part, parts) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (transport, queue) DO UPDATE SET declared_at = now()`,
        values: [transport, queue, group, part, parts],
      })
    },

    queues: () =>
      database.query<KnownQueue>({
        name: 'transport-queues',
        text: `SELECT q.transport, q.queue, q.grp AS "group", q.part, q.parts, q.declared_at::text AS "declaredAt",
                      EXISTS (SELECT FROM lane_groups g JOIN flows f ON f.grp = g.grp AND NOT f.removed
                              WHERE g.grp = q.grp AND g.part = q.part AND g.parts = q.parts)
                      AND q.declared_at = max(q.declared_at) OVER (PARTITION BY q.transport, q.grp, q.part, q.parts) AS "inUse"
               FROM broker_queues q ORDER BY q.transport, q.queue`,
      }),

    async forgetQueue(transport, queue) {
      await database.query({
        text: 'DELETE FROM broker_queues WHERE transport = $1 AND queue = $2',
        values: [transport, queue],
      })
    },
  }
}

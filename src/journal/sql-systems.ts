import type { Database } from './database.ts'
import type { StatsJournal, SystemsJournal, SystemState } from './port.ts'

/** Rows of each table that one minute's house-keeping forgets at most. */
const mostForgotten = 10_000

/** Limits, breakers and statistics in SQL; the functions are in 0005-systems.sql and 0032-housekeeping.sql. */
export function sqlSystems(database: Database): SystemsJournal & StatsJournal {
  return {
    states: () =>
      database.query<SystemState>({
        name: 'system-states',
        text: `SELECT id, name, paused, breaker, reason, version,
                      extract(epoch FROM coalesce(CASE breaker WHEN 'probing' THEN probe_until END, probe_at) - clock_timestamp())::double precision * 1000 AS "probeInMs",
                      coalesce(extract(epoch FROM throttled_until - clock_timestamp())::double precision * 1000, 0) AS "throttledMs",
                      coalesce((SELECT extract(epoch FROM max(m.until_at) - clock_timestamp())::double precision * 1000 FROM maintenance m
                                WHERE m.system = systems.id AND m.until_at > clock_timestamp() AND m.from_at <= clock_timestamp()), 0) AS "maintenanceMs",
                      (SELECT min(t.id) FROM system_tests t
                       WHERE t.system = systems.id AND t.ended_at IS NULL AND t.worker IS NULL AND t.asked_at > clock_timestamp() - interval '30 s') AS test
               FROM systems ORDER BY id`,
      }),

    async reserveRate({ system, tokens, intervalMs, burstMs }) {
      const [row] = await database.query<{ wait: number }>({
        name: 'reserve-rate',
        text: 'SELECT reserve_rate($1::smallint, $2::int, $3, $4) AS wait',
        values: [system, tokens, intervalMs, burstMs],
      })
      const wait = row?.wait ?? intervalMs
      return wait > 0 ? { granted: 0, retryInMs: wait } : { granted: tokens, retryInMs: 0 }
    },

    async permits({ system, worker, want, limit, timeoutMs, no = null }) {
      const [row] = await database.query<{ granted: number; others_waiting: number }>({
        name: 'permits',
        text: 'SELECT granted, others_waiting FROM set_permits($1::smallint, $2, $3::int, $4::int, $5, $6::bigint)',
        values: [system, worker, want, limit, timeoutMs, no],
      })
      return { granted: row?.granted ?? 0, othersWaiting: row?.others_waiting ?? 0 }
    },

    async openBreaker({ system, reason, probeInMs }) {
      await database.query({
        name: 'open-breaker',
        text: 'SELECT open_breaker($1::smallint, $2, $3)',
        values: [system, reason, probeInMs],
      })
    },

    async tryProbe({ system, worker, timeoutMs }) {
      const [row] = await database.query<{ won: boolean }>({
        name: 'try-probe',
        text: 'SELECT try_probe($1::smallint, $2, $3) AS won',
        values: [system, worker, timeoutMs],
      })
      return row?.won ?? false
    },

    async closeBreaker(system) {
      await database.query({
        name: 'close-breaker',
        text: 'SELECT close_breaker($1::smallint)',
        values: [system],
      })
    },

    async throttle(system, forMs) {
      await database.query({
        name: 'throttle',
        text: `UPDATE systems SET version = version + 1,
                 throttled_until = greatest(throttled_until, clock_timestamp() + $2 * interval '1 ms') WHERE id = $1`,
        values: [system, forMs],
      })
    },

    async writeStats(worker, rows) {
      await database.query({
        name: 'write-stats',
        text: `INSERT INTO stats AS t (minute, flow, system, outcome, worker, count, total_ms, max_ms)
               SELECT to_timestamp(s.minute * 60), s.flow, s.system, s.outcome, $1, s.count, s."totalMs", s."maxMs"
               FROM json_to_recordset($2::json) AS s (minute bigint, flow smallint, system smallint, outcome text, count bigint, "totalMs" bigint, "maxMs" integer)
               ON CONFLICT (minute, flow, system, outcome, worker) DO UPDATE SET
                 count = t.count + excluded.count, total_ms = t.total_ms + excluded.total_ms, max_ms = greatest(t.max_ms, excluded.max_ms)`,
        values: [worker, JSON.stringify(rows)],
      })
      await database.query({ name: 'settle-problems', text: 'SELECT settle_problems()' })
      await database.query({ name: 'note-levels', text: 'SELECT note_levels()' })
      await database.query({
        name: 'keep-house',
        text: 'SELECT keep_house($1::int)',
        values: [mostForgotten],
      })
    },
  }
}

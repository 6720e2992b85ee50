import type { Database } from './database.ts'
import type { WatchJournal } from './port.ts'

/** What is kept of systems for people, in SQL; tables and functions are in 0029-systems-watched.sql. */
export function sqlWatch(database: Database): WatchJournal {
  return {
    async declareSystems(systems) {
      await database.query({
        text: `UPDATE systems s SET settings = d.settings
               FROM json_to_recordset($1::json) AS d (name text, settings jsonb)
               WHERE s.name = d.name AND s.settings <> d.settings`,
        values: [JSON.stringify(systems)],
      })
    },

    async writeMinutes(worker, systems, runs) {
      if (systems.length === 0 && runs.length === 0) return
      await database.query({
        name: 'write-minutes',
        text: 'SELECT write_minutes($1, $2::json, $3::json)',
        values: [worker, JSON.stringify(systems), JSON.stringify(runs)],
      })
    },

    async beginTest(test, worker) {
      const rows = await database.query({
        text: 'UPDATE system_tests SET worker = $2 WHERE id = $1::bigint AND worker IS NULL RETURNING id',
        values: [test, worker],
      })
      return rows.length > 0
    },

    async endTest(test, { outcome, class: errorClass, status, ms, message, request, response }) {
      await database.query({
        text: 'SELECT end_test($1::bigint, $2, $3, $4::int, $5::int, $6, $7, $8)',
        values: [test, outcome, errorClass, status, Math.round(ms), message, request, response],
      })
    },

    async writeCredentials(system, { kind, obtainedAt, expiresAt }) {
      await database.query({
        text: `INSERT INTO system_credentials (system, kind, obtained_at, expires_at)
               VALUES ($1::smallint, $2, to_timestamp($3::double precision / 1000), to_timestamp($4::double precision / 1000))
               ON CONFLICT (system) DO UPDATE SET kind = excluded.kind, obtained_at = excluded.obtained_at, expires_at = excluded.expires_at`,
        values: [system, kind, obtainedAt ?? null, expiresAt ?? null],
      })
    },
  }
}

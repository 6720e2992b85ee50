import type { Database } from '../journal/database.ts'
import type { Journal } from '../journal/port.ts'
import type { JournalUnderTest, RunActResult } from './journal-under-test.ts'
import { sqlLinksUnderTest } from './links-under-test.ts'
import type { Sql } from './sql-snapshot.ts'
import { sqlSnapshot } from './sql-snapshot.ts'

/** A journal in SQL, made ready for the contract suite; `database` is for acting and looking beside the sessions. */
export function sqlJournalUnderTest(parts: {
  readonly sessions: readonly Journal[]
  readonly database: Database
  readonly violations: () => Promise<readonly string[]>
  readonly close: () => Promise<void>
}): JournalUnderTest {
  const { sessions, database, violations, close } = parts
  const sql: Sql = (text, values = []) => database.query({ text, values })
  return {
    sessions,
    violations,
    links: sqlLinksUnderTest(sql),
    sql,
    close,
    snapshot: () => sqlSnapshot(sql),
    now: () => performance.now(),
    async advance(ms) {
      await sql('SELECT pg_sleep($1)', [ms / 1_000])
    },
    async act({ flow, seq, gen = 0, verb, actor = 'tester', reason = '' }) {
      const rows = await sql<RunActResult>(
        `SELECT result, state_before AS before, state_after AS after
         FROM act_on_run($1::smallint, $2::bigint, $3::smallint, $4, $5, $6)`,
        [flow, seq, gen, verb, actor, reason],
      )
      return rows[0] as RunActResult
    },
    async pause(kind, name, paused) {
      const values = [kind, name, paused, 'tester', '']
      const rows = await sql<{ done: boolean }>('SELECT set_paused($1, $2, $3, $4, $5) AS done', values)
      return rows[0]?.done ?? false
    },
  }
}

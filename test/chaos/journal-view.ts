/** What a chaos run asks the journal itself, beside all proxies: snapshots, what has ended, what the log holds. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { DealRun } from './deal-checker.ts'
import { brokenInSql, sqlInvariants } from './invariants.sql.ts'

const drainMs = 120_000
const snapshotEveryMs = 3_000

/** Takes snapshots of the invariants while everything goes on; PostgreSQL may be away. */
export function watch(url: string, violations: string[]): { stop(): Promise<number> } {
  let going = true
  let taken = 0
  const done = (async () => {
    while (going) {
      await sleep(snapshotEveryMs)
      const broken = await query(url, (sql) => brokenInSql(sql, sqlInvariants)).catch(() => undefined)
      if (!broken) continue
      taken++
      violations.push(...broken.map((what) => `in a snapshot: ${what}`))
    }
  })()
  return {
    async stop() {
      going = false
      await done
      return taken
    },
  }
}

/**
 * Waits until every run has ended; parked ones are violations, but for poison, which chance alone can bring about (those
 * are retried), for deals that a system refused and that are to be held, and for those whose last step may have had its
 * effect and cannot be looked up before it is undone, with those that wait behind them.
 */
export async function drained(
  url: string,
  expected: number,
): Promise<{ violations: string[]; retried: number; takeovers: number }> {
  const deadline = performance.now() + drainMs
  let retried = 0
  for (;;) {
    const state = await query(url, async (sql) => ({
      ended: Number(
        (await sql<{ n: string }>(`SELECT count(*) AS n FROM runs r WHERE state >= 10 OR ${held}`))[0]?.n,
      ),
      parked: await sql<{ flow: number; seq: string; code: string; message: string }>(
        `SELECT flow, seq, code, message FROM runs r WHERE state = 4 AND NOT ${held}`,
      ),
      takeovers: Number((await sql<{ n: string }>('SELECT count(*) AS n FROM workers WHERE dead'))[0]?.n),
    })).catch(() => undefined)
    if (state) {
      const { takeovers } = state
      const wrong = state.parked.filter(({ code }) => code !== 'run.poisoned')
      if (wrong.length > 0)
        return {
          retried,
          takeovers,
          violations: wrong.map(
            ({ flow, seq, code, message }) => `parked: ${flow}/${seq} ${code}: ${message}`,
          ),
        }
      for (const { flow, seq } of state.parked) {
        await query(url, (sql) =>
          sql(`SELECT act_on_run(${flow}::smallint, ${seq}, 0::smallint, 'retry', 'chaos', NULL)`),
        )
        retried++
      }
      if (state.ended >= expected) return { violations: [], retried, takeovers }
      if (performance.now() > deadline)
        return {
          retried,
          takeovers,
          violations: [`D2 only ${state.ended} of ${expected} runs have ended`, ...(await openRuns(url))],
        }
    } else if (performance.now() > deadline)
      return { retried, takeovers: 0, violations: ['D2 the database does not answer'] }
    await sleep(500)
  }
}

/** What is known of those that have not ended, and of their lanes and groups. */
async function openRuns(url: string): Promise<string[]> {
  const rows = await query(url, (sql) =>
    sql<{ known: string }>(
      `SELECT jsonb_build_object('now', clock_timestamp(), 'run', to_jsonb(r), 'lane', to_jsonb(l), 'group', to_jsonb(g),
                'steps', (SELECT jsonb_agg(to_jsonb(s) - 'result') FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen),
                'attempts', (SELECT jsonb_agg(to_jsonb(a) - 'request' - 'response' ORDER BY a.at) FROM attempts a WHERE a.flow = r.flow AND a.seq = r.seq))::text AS known
       FROM runs r LEFT JOIN lanes l ON l.grp = r.grp AND l.key = r.key
       JOIN events e ON e.seq = r.seq JOIN lane_groups g ON g.grp = r.grp AND g.part = e.khash % g.parts
       WHERE r.state < 10 AND NOT ${held} LIMIT 5`,
    ),
  ).catch((error: unknown) => [{ known: `open runs cannot be read: ${String(error)}` }])
  return rows.map(({ known }) => known)
}

/** Stands behind a run of its lane that needs a person. */
const behindParked = `EXISTS (SELECT FROM runs h WHERE h.grp = r.grp AND h.key = r.key AND h.state = 4 AND h.seq < r.seq)`

/**
 * A deal that was refused and is held, or stands behind such a one: it waits, or is to be tried again. The latter its worker
 * has left behind: it had both in hand, and a careful one took the first alone.
 */
const held = `(EXISTS (SELECT FROM flows f WHERE f.id = r.flow AND (
    f.name = 'deal-held' AND r.state = 4 AND r.status = 422 OR f.name LIKE 'deal-%' AND r.state = 4 AND r.code = 'step.undo-unknown'))
  OR r.state IN (1, 2) AND EXISTS (SELECT FROM flows f WHERE f.id = r.flow AND f.name LIKE 'deal-%') AND ${behindParked})`

export async function dealRuns(url: string): Promise<DealRun[]> {
  return query(url, (sql) =>
    sql<DealRun>(`SELECT e.id AS event, r.state, r.compensating, ${behindParked} AS "behindParked", r.maybe_at IS NOT NULL AS maybe,
        coalesce(s.steps, '{}') AS steps
      FROM runs r JOIN flows f ON f.id = r.flow AND f.name LIKE 'deal-%' JOIN events e ON e.seq = r.seq
      LEFT JOIN LATERAL (
        SELECT json_object_agg(s.step, json_build_object('state', s.state, 'maybe', s.maybe_at IS NOT NULL)) AS steps
        FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen
      ) s ON true`),
  )
}

/** The log but for what only asks whether a door is open. */
export async function logOf(url: string): Promise<ReadonlyMap<string, number>> {
  const rows = await query(url, (sql) =>
    sql<{ id: string; seq: string }>(`SELECT id, seq FROM events WHERE id <> 'probe'`),
  )
  return new Map(rows.map(({ id, seq }) => [id, Number(seq)]))
}

export type Sql = <Row extends pg.QueryResultRow>(text: string) => Promise<Row[]>

export async function query<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    // The checks must not be what takes long: young tables have no statistics, and a plan may be quadratic.
    await client.query('SET search_path = busbar; SET enable_seqscan = off; SET statement_timeout = 20000')
    return await work(
      async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows,
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}

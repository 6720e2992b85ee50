/**
 * The invariants as SQL, for a journal's live database: a row that comes back names what breaks it. Each is one
 * statement, hence one snapshot; tables are found by the session's search_path. `test/simulation/invariants.ts` says the
 * same over plain data, by the same names.
 */
export interface SqlInvariant {
  readonly name: string
  /** `journal`: kept whatever an owner writes; `engine`: kept by the engine's use of it. */
  readonly scope: 'journal' | 'engine'
  /** Answers one text column, `what`. */
  readonly sql: string
}

const run = `'run ' || r.flow || '/' || r.seq || '/' || r.gen`
const lane = `'lane ' || l.grp || '/' || l.key`
const step = `'step ' || s.step || ' of ' || ${run}`
const holding = `r.state < 10 AND r.holds`
const sameLane = `r.grp = l.grp AND r.key = l.key`

/** Kept in every snapshot, not only at rest. */
export const sqlInvariants: readonly SqlInvariant[] = [
  {
    name: 'D3 an identity is in the log once',
    scope: 'journal',
    sql: `SELECT source || ' ' || id AS what FROM events GROUP BY source, id HAVING count(*) > 1`,
  },
  {
    name: 'D3 received_at never falls along seq',
    scope: 'journal',
    sql: `SELECT 'event ' || seq AS what
          FROM (SELECT seq, received_at, lag(received_at) OVER (ORDER BY seq) AS before FROM events) e
          WHERE received_at < before`,
  },
  {
    name: 'D2a every matching event up to a position has its row',
    scope: 'engine',
    sql: `SELECT 'flow ' || f.id || ' passed event ' || e.seq AS what
          FROM flows f
          JOIN lane_groups g ON g.grp = f.grp
          JOIN positions p ON p.flow = f.id AND p.part = g.part
          JOIN events e ON e.type = ANY (f.types) AND e.khash % g.parts = g.part
                       AND e.seq > f.from_seq AND e.seq > f.type_after[array_position(f.types, e.type)] AND e.seq <= p.position
          WHERE NOT f.removed AND NOT EXISTS (SELECT FROM runs r WHERE r.flow = f.id AND r.seq = e.seq AND r.gen = 0)`,
  },
  {
    name: 'D2b an open holding run has a lane',
    scope: 'journal',
    sql: `SELECT ${run} AS what FROM runs r WHERE ${holding} AND NOT EXISTS (SELECT FROM lanes l WHERE ${sameLane})`,
  },
  {
    name: 'D2c a lane has an open holding run',
    scope: 'journal',
    sql: `SELECT ${lane} AS what FROM lanes l WHERE NOT EXISTS (SELECT FROM runs r WHERE ${sameLane} AND ${holding})`,
  },
  {
    name: 'D2d a lane that waits for ever has a running run, a parked head, or awaits something',
    scope: 'journal',
    sql: `SELECT ${lane} AS what
          FROM lanes l
          CROSS JOIN LATERAL (SELECT r.state FROM runs r WHERE ${sameLane} AND ${holding} ORDER BY r.lord, r.seq, r.ord LIMIT 1) h
          WHERE l.next_at = 'infinity' AND l.awaits IS NULL AND h.state <> 4
            AND NOT EXISTS (SELECT FROM runs r WHERE ${sameLane} AND r.state = 3)`,
  },
  {
    name: 'D2d a lane that awaits a time has one',
    scope: 'journal',
    sql: `SELECT ${lane} AS what FROM lanes l
          WHERE l.next_at = 'infinity' AND l.awaits = 'timer'
            AND EXISTS (SELECT FROM runs r WHERE ${sameLane} AND ${holding})
            AND NOT EXISTS (SELECT FROM runs r WHERE ${sameLane} AND r.state = 3 AND r.holds)`,
  },
  {
    name: 'D2 a lane with a running run is not due',
    scope: 'journal',
    sql: `SELECT ${lane} AS what FROM lanes l
          WHERE l.next_at < 'infinity' AND EXISTS (SELECT FROM runs r WHERE ${sameLane} AND r.state = 3 AND r.holds)`,
  },
  {
    name: 'D10 a lane says what its head waits for: the system, and the time',
    scope: 'journal',
    sql: `SELECT ${lane} AS what
          FROM lanes l
          CROSS JOIN LATERAL (
            SELECT r.state, r.system, r.next_at, r.awaits FROM runs r WHERE ${sameLane} AND ${holding} ORDER BY r.lord, r.seq, r.ord LIMIT 1
          ) h
          WHERE l.system <> h.system OR l.awaits IS DISTINCT FROM h.awaits
             OR l.next_at < 'infinity' AND NOT CASE
                  WHEN h.awaits IS NOT NULL THEN l.next_at IS NOT DISTINCT FROM h.next_at
                  WHEN h.state = 1 THEN l.next_at <= clock_timestamp() WHEN h.state = 2 THEN l.next_at = h.next_at ELSE false END`,
  },
  {
    name: 'A15 a wait is due as soon as its link is there',
    scope: 'journal',
    sql: `SELECT 'lane ' || w.grp || '/' || w.key AS what
          FROM link_waits w JOIN links k USING (kind, cid, system) WHERE k.ext IS NOT NULL AND NOT w.due`,
  },
  {
    name: 'A15 a lane that waits for a link until later has said for which',
    scope: 'engine',
    sql: `SELECT ${lane} AS what
          FROM lanes l WHERE l.awaits = 'link' AND l.next_at > clock_timestamp()
            AND NOT EXISTS (SELECT FROM link_waits w WHERE w.grp = l.grp AND w.key = l.key)`,
  },
  {
    name: 'D2 an open run that does not hold its lane is parked',
    scope: 'engine',
    sql: `SELECT ${run} AS what FROM runs r WHERE r.state < 10 AND NOT r.holds AND r.state <> 4`,
  },
  {
    name: 'D2 a run that awaits something is not running, and has not ended',
    scope: 'engine',
    sql: `SELECT ${run} AS what FROM runs r WHERE r.awaits IS NOT NULL AND (r.state = 3 AND r.awaits <> 'gap' OR r.state >= 10)`,
  },
  {
    name: 'D9 a run that has ended says so of its steps',
    scope: 'engine',
    sql: `SELECT ${step} AS what FROM steps s JOIN runs r ON r.flow = s.flow AND r.seq = s.seq AND r.gen = s.gen
          WHERE r.state = 10 AND (s.state NOT IN (10, 11) OR s.maybe_at IS NOT NULL)
             OR r.state = 13 AND (s.state NOT IN (4, 11, 12, 13) OR s.maybe_at IS NOT NULL AND s.state <> 13)`,
  },
  {
    name: 'D9 nothing is undone in a run that goes forward',
    scope: 'engine',
    sql: `SELECT ${step} AS what FROM steps s JOIN runs r ON r.flow = s.flow AND r.seq = s.seq AND r.gen = s.gen
          WHERE NOT r.compensating AND s.state IN (5, 6, 12, 13)`,
  },
  {
    name: 'D4 an owner is alive',
    scope: 'journal',
    sql: `SELECT g.grp || '/' || g.part || ' of ' || g.owner AS what FROM lane_groups g
          WHERE g.owner IS NOT NULL AND NOT EXISTS (SELECT FROM workers w WHERE w.id = g.owner AND NOT w.dead)`,
  },
  {
    name: 'D4 a group without an owner has no running run',
    scope: 'engine',
    sql: `SELECT ${run} AS what FROM runs r JOIN lane_groups g ON g.grp = r.grp AND r.khash % g.parts = g.part
          WHERE r.state = 3 AND g.owner IS NULL`,
  },
  {
    name: 'D2 a position lies within the log',
    scope: 'engine',
    sql: `SELECT 'flow ' || flow || '/' || part || ' at ' || position AS what FROM positions
          WHERE position > coalesce((SELECT max(seq) FROM events), 0)`,
  },
  {
    name: 'D4 a suspect is dated',
    scope: 'journal',
    sql: `SELECT grp || '/' || part AS what FROM lane_groups
          WHERE suspect_to > 0 AND (suspect_since IS NULL OR suspect_at IS NULL)`,
  },
]

/** D2e, D2f: what has waited longer than a minute although its system is open and its group not paused. */
export const sqlOverdue: readonly SqlInvariant[] = [
  {
    name: 'D2e due but not taken',
    scope: 'engine',
    sql: `SELECT ${lane} AS what FROM lanes l JOIN systems s ON s.id = l.system
          JOIN lane_groups g ON g.grp = l.grp AND l.khash % g.parts = g.part
          WHERE l.next_at < clock_timestamp() - interval '60 s' AND s.breaker = 'closed' AND NOT s.paused AND NOT g.paused`,
  },
  {
    name: 'D2f pending',
    scope: 'engine',
    sql: `SELECT 'flow ' || f.id || ', event ' || e.seq AS what
          FROM flows f
          JOIN lane_groups g ON g.grp = f.grp AND NOT g.paused
          JOIN positions p ON p.flow = f.id AND p.part = g.part
          JOIN events e ON e.type = ANY (f.types) AND e.khash % g.parts = g.part
                       AND e.seq > f.from_seq AND e.seq > f.type_after[array_position(f.types, e.type)] AND e.seq > p.position
          WHERE NOT f.removed AND e.received_at < clock_timestamp() - interval '60 s'
            AND NOT EXISTS (SELECT FROM systems s WHERE s.paused OR s.breaker <> 'closed')
            AND NOT EXISTS (SELECT FROM runs r WHERE r.flow = f.id AND r.seq = e.seq AND r.gen = 0)`,
  },
]

/** What the harness itself records, for the invariants below: what publishers were told, and what targets saw. */
export const harnessTables = `
  CREATE TABLE acked (source text NOT NULL, id text NOT NULL, seq bigint NOT NULL);
  CREATE TABLE sink (
    system text NOT NULL, flow text NOT NULL, key text, seq bigint NOT NULL, idempotency_key text NOT NULL,
    kind text NOT NULL, started_at timestamptz NOT NULL, ended_at timestamptz NOT NULL, effect boolean NOT NULL
  )`

/** Over the harness's tables, at rest. The same as `test/simulation/sink-invariants.ts`. */
export const harnessInvariants: readonly SqlInvariant[] = [
  {
    name: 'D1 what was acknowledged is in the log, at the place that was told',
    scope: 'engine',
    sql: `SELECT a.source || ' ' || a.id || ' at ' || a.seq AS what
          FROM acked a LEFT JOIN events e USING (source, id) WHERE e.seq IS DISTINCT FROM a.seq`,
  },
  {
    name: 'D4 an idempotency key has at most one effect',
    scope: 'engine',
    sql: `SELECT idempotency_key AS what FROM sink WHERE effect GROUP BY idempotency_key HAVING count(*) > 1`,
  },
  {
    name: 'D5 first arrivals of a lane come in log order',
    scope: 'engine',
    sql: `SELECT flow || ', key ' || key || ': ' || seq || ' arrived after ' || highest AS what
          FROM (
            SELECT flow, key, seq, max(seq) OVER (PARTITION BY flow, key ORDER BY first_at, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS highest
            FROM (SELECT flow, key, seq, min(started_at) AS first_at FROM sink WHERE kind = 'send' AND key IS NOT NULL GROUP BY flow, key, seq) f
          ) o WHERE seq < highest`,
  },
]

/** Those that are broken, each with the invariant's name; `query` runs one text in the journal's schema. */
export async function brokenInSql(
  query: (sql: string) => Promise<readonly { readonly what: string }[]>,
  invariants: readonly SqlInvariant[],
): Promise<string[]> {
  const broken: string[] = []
  for (const { name, sql } of invariants)
    for (const { what } of await query(sql)) broken.push(`${name}: ${what}`)
  return broken
}

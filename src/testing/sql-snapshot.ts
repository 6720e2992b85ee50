import type { JournalSnapshot, SnapshotLane } from './journal-snapshot.ts'

/** Runs one SQL text with values and gives its rows. */
export type Sql = <Row>(text: string, values?: readonly unknown[]) => Promise<Row[]>

/** Reads the whole journal in one statement, hence in one database snapshot. For tests and checkers: it reads every row. */
export async function sqlSnapshot(sql: Sql): Promise<JournalSnapshot> {
  const [row] = await sql<{ snapshot: Stored }>(snapshotText)
  const { lanes, ...rest } = row?.snapshot as Stored
  return { ...rest, lanes: lanes.map((lane) => ({ ...lane, nextAt: lane.nextAt ?? Infinity })) }
}

type Stored = Omit<JournalSnapshot, 'lanes'> & {
  readonly lanes: readonly (Omit<SnapshotLane, 'nextAt'> & { readonly nextAt: number | null })[]
}

const ms = (column: string) =>
  `CASE WHEN isfinite(${column}) THEN extract(epoch FROM ${column})::double precision * 1000 END`

const table = (name: string, columns: string, order: string) =>
  `'${name}', (SELECT coalesce(json_agg(t), '[]') FROM (SELECT ${columns} FROM ${tables[name] ?? name} ORDER BY ${order}) t)`

const tables: Readonly<Record<string, string>> = {
  groups: 'lane_groups',
  linkWaits: 'link_waits w LEFT JOIN links k USING (kind, cid, system)',
}

const snapshotText = `SELECT json_build_object(
  'at', extract(epoch FROM clock_timestamp())::double precision * 1000,
  ${[
    table('events', `seq, source, id, type, key, khash, ${ms('received_at')} AS "receivedAt"`, 'seq'),
    table('refusals', 'source, id, type, code, seq', 'at'),
    table(
      'flows',
      'id, name, grp AS "group", version, types, type_after AS "typeAfter", from_seq AS "fromSeq", removed',
      'id',
    ),
    table('positions', 'flow, part, position', 'flow, part'),
    table('workers', `id, ${ms('lease_until')} AS "leaseUntil", dead`, 'id'),
    table(
      'groups',
      `grp AS "group", part, parts, owner, epoch, claimed_to AS "claimedTo", suspect_to AS "suspectTo",
       ${ms('suspect_since')} AS "suspectSince", ${ms('suspect_at')} AS "suspectAt", unclean, paused`,
      '"group", part',
    ),
    table(
      'runs',
      `flow, seq, gen, state, system, holds, phase, tries, attempts, crashes, grp AS "group", key, khash, lord, ord,
       ${ms('maybe_at')} AS "maybeAt", ${ms('next_at')} AS "nextAt", code, message, fp, reason, compensating, awaits`,
      'flow, seq, gen',
    ),
    table(
      'lanes',
      `grp AS "group", key, khash, system, ${ms('next_at')} AS "nextAt", awaits`,
      '"group", key',
    ),
    table(
      'steps',
      `flow, seq, gen, step, state, ${ms('maybe_at')} AS "maybeAt", ${ms('next_at')} AS "nextAt"`,
      'flow, seq, gen, step',
    ),
    table(
      'linkWaits',
      `w.grp AS "group", w.key, w.due, coalesce(k.ext IS NOT NULL, false) AS known`,
      'w.grp, w.key, kind, cid, system',
    ),
    table('attempts', 'flow, seq, gen, step, no, kind, outcome', 'flow, seq, gen, step, no, kind'),
    table('problems', 'fp, system, code, state', 'fp'),
    table('systems', 'id, name, paused, breaker', 'id'),
    table('permits', 'system, worker, n', 'system, worker'),
    table('audit', 'id, actor, verb, object, reason', 'id'),
  ].join(',\n  ')}) AS snapshot`

import type { Database } from '../../journal/database.ts'
import type { HeadFacts } from '../explain.ts'
import { iso, isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'

/** Runs of an act that were begun and stand behind an earlier run of their key, which is not under way. */
export interface Behind {
  readonly count: number
  /** The first of them. */
  readonly key: string | null
  readonly head: HeadFacts
  readonly nowAt: string
}

/**
 * The earlier run of the key, `h`, that an item `i` with the run `r` stands behind: one that needs a person, or goes on
 * later. One that is under way or due is none: the item's turn comes. A probe of runs_open_by_lane.
 */
export const headJoin = `
LEFT JOIN LATERAL (
  SELECT o.flow, o.seq, o.gen, o.state, o.next_at, o.reason, o.awaits FROM runs o
  WHERE i.outcome = 'begun' AND r.state < 3 AND o.grp = r.grp AND o.key = r.key AND o.state < 10 AND o.holds
  ORDER BY o.lord, o.seq, o.ord LIMIT 1
) h ON (h.flow, h.seq, h.gen) <> (r.flow, r.seq, r.gen)
   AND (h.state = 4 OR h.state < 3 AND (h.awaits IS NOT NULL OR h.next_at > clock_timestamp()))
LEFT JOIN flows hf ON hf.id = h.flow`

// At most 200 items of an act are under way: a range of bulk_items_open.
const text = `
SELECT DISTINCT ON (i.act) i.act, count(*) OVER (PARTITION BY i.act)::int AS count, e.key,
       hf.name AS flow, h.seq, h.gen AS generation, h.state, h.next_at, h.reason, clock_timestamp() AS now_at
FROM bulk_items i
JOIN runs r ON r.flow = i.flow AND r.seq = i.seq AND r.gen = i.gen
${headJoin}
LEFT JOIN events e ON e.seq = i.seq
WHERE i.act = ANY ($1::bigint[]) AND i.outcome = 'begun' AND h.flow IS NOT NULL
ORDER BY i.act, i.place`

interface BehindRow extends Omit<HeadFacts, 'nextAt'> {
  readonly act: number
  readonly count: number
  readonly key: string | null
  readonly next_at: DatabaseTime
  readonly now_at: DatabaseTime
}

/** Of these acts those of which runs stand behind earlier ones. */
export async function behindOf(
  database: Database,
  acts: readonly number[],
): Promise<ReadonlyMap<number, Behind>> {
  if (acts.length === 0) return new Map()
  const rows = await database.query<BehindRow>({ text, values: [acts] })
  return new Map(
    rows.map(({ act, count, key, next_at, now_at, ...head }) => [
      act,
      { count, key, head: { ...head, nextAt: iso(next_at) }, nowAt: isoAlways(now_at) },
    ]),
  )
}

import type { Database } from '../../journal/database.ts'

/** What may change, as the console names it. */
export const liveTopics = [
  'status',
  'events',
  'runs',
  'problems',
  'systems',
  'groups',
  'replays',
  'bulk',
  'audit',
  'outbox',
  'expectations',
  'workers',
] as const
export type LiveTopic = (typeof liveTopics)[number]

/** For each topic something that is another when it has changed. */
export type Marks = Readonly<Record<Exclude<LiveTopic, 'status'>, string>>

/*
 * Heads of primary keys, sequences that are read without a table, and sums over tables of a few rows: well under a
 * millisecond, whatever the log holds. A run that has not ended changes with its owner's next flush, a quarter of a second
 * later at most: flushed_at tells of both.
 */
const text = `
SELECT (SELECT coalesce(max(seq), 0) FROM events)::text AS events,
       (SELECT concat(max(g.flushed_at), sum(g.epoch)) FROM lane_groups g) || (SELECT sum(p.position) FROM positions p) AS runs,
       (SELECT concat(last_value, is_called) FROM problem_changes) AS problems,
       (SELECT concat(sum(s.version), sum(CASE WHEN s.throttled_until > clock_timestamp() THEN 1 END)) FROM systems s)
         || (SELECT concat('/', max(c.id)) FROM system_changes c)
         || (SELECT concat('/', max(t.id), '/', count(t.ended_at)) FROM system_tests t)
         || (SELECT concat('/', max(minute)) FROM (SELECT (SELECT max(m.minute) FROM system_minutes m WHERE m.system = s.id) AS minute FROM systems s) x) AS systems,
       (SELECT concat(sum(g.epoch), count(*) FILTER (WHERE g.paused), sum(g.parts)) FROM lane_groups g) AS groups,
       (SELECT concat(last_value, is_called) FROM replay_changes) AS replays,
       (SELECT concat(last_value, is_called) FROM bulk_changes) AS bulk,
       (SELECT coalesce(max(id), 0) FROM audit)::text AS audit,
       (SELECT concat(max(id)) FROM outbox) || (SELECT concat('/', max(id), '/', min(id)) FROM outbox_rejected) AS outbox,
       (SELECT concat(sum(e.position)) FROM expectations e) AS expectations,
       (SELECT concat(count(*) FILTER (WHERE NOT w.dead AND w.lease_until >= clock_timestamp()), '/', count(*), '/', max(w.started_at)) FROM workers w) AS workers`

/** One look at everything that people may watch. */
export async function readMarks(database: Database): Promise<Marks> {
  const [row] = await database.query<Record<keyof Marks, string | null>>({ name: 'live-marks', text })
  return Object.fromEntries(
    liveTopics.filter((topic) => topic !== 'status').map((topic) => [topic, row?.[topic] ?? '']),
  ) as unknown as Marks
}

/** What the status is made of. */
const inStatus: ReadonlySet<LiveTopic> = new Set([
  'events',
  'runs',
  'problems',
  'systems',
  'groups',
  'outbox',
  'expectations',
  'workers',
])

/** The topics that are not as they were; `status` with everything that it speaks of. Pure. */
export function changedTopics(before: Marks, now: Marks): LiveTopic[] {
  const changed = liveTopics.filter((topic) => topic !== 'status' && before[topic] !== now[topic])
  return changed.some((topic) => inStatus.has(topic)) ? ['status', ...changed] : changed
}

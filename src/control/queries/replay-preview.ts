import type { Redaction } from '../../define/redaction.ts'
import type { Database } from '../../journal/database.ts'
import type { StoredEvent } from '../../journal/port.ts'
import type { KnownFlow, RunToPreview } from '../flow-code.ts'
import type { Replay, ReplayPlan } from '../schema/replay.ts'
import { beside } from './step-preview.ts'

interface SampleRow extends Omit<StoredEvent, 'receivedAt'> {
  readonly received_at: number
  readonly gen: number | null
  readonly key_gen: number | null
  readonly results: Readonly<Record<string, string | null>> | null
  readonly requests: Readonly<Record<string, string>> | null
}

// Evenly over the whole selection; of each event what its latest run's steps gave, and the last request of each step that was recorded.
const sampleText = `
SELECT e.seq, e.source, e.id, e.type, e.key, e.khash, extract(epoch FROM e.received_at)::double precision * 1000 AS received_at,
       e.data, e.ext, r.gen, r.key_gen,
       (SELECT jsonb_object_agg(s.step, s.result) FROM steps s
        WHERE s.flow = p.flow AND s.seq = e.seq AND s.gen = r.gen AND s.state = 10) AS results,
       (SELECT jsonb_object_agg(a.step, a.request) FROM (
          SELECT DISTINCT ON (a.step) a.step, a.request FROM attempts a
          WHERE a.flow = p.flow AND a.seq = e.seq AND a.kind = 'send' AND a.request IS NOT NULL
          ORDER BY a.step, a.gen DESC, a.no DESC
        ) a) AS requests
FROM replays p
CROSS JOIN LATERAL (SELECT DISTINCT 1 + (n * p.total / least($2::int, p.total)) AS place FROM generate_series(0, least($2::int, p.total) - 1) n) c
JOIN replay_items i ON i.replay = p.id AND i.place = c.place
JOIN events e ON e.seq = i.seq
LEFT JOIN LATERAL (SELECT r.gen, r.key_gen FROM runs r WHERE r.flow = p.flow AND r.seq = e.seq ORDER BY r.gen DESC LIMIT 1) r ON true
WHERE p.id = $1::bigint
ORDER BY i.place`

/** For a sample of a replay's runs: what each step would send now, beside what it sent. Nothing is sent. */
export async function previewReplay(
  database: Database,
  {
    replay,
    known,
    redaction,
    sample,
  }: {
    readonly replay: Replay
    readonly known: KnownFlow
    readonly redaction: Redaction
    readonly sample: number
  },
): Promise<ReplayPlan['preview']> {
  if (sample === 0) return []
  const rows = await database.query<SampleRow>({ text: sampleText, values: [replay.id, sample] })
  const steps = await known.preview(rows.map((row) => runOf(row, replay.keys)))
  return rows.map(({ seq, key, type, data, requests }, index) => {
    const conceal = redaction.conceal(type, JSON.parse(data))
    const recorded = (step: string) => (requests?.[step] === undefined ? null : conceal(requests[step]))
    return { seq, key, steps: (steps[index] ?? []).map((step) => beside(step, recorded(step.step))) }
  })
}

function runOf(
  { received_at, gen, key_gen, results, ...row }: SampleRow,
  keys: Replay['keys'],
): RunToPreview {
  const { seq, source, id, type, key, khash, data, ext } = row
  const given = Object.entries(results ?? {}).map(([step, text]): [string, unknown] => [
    step,
    text === null ? null : (JSON.parse(text) as unknown),
  ])
  return {
    event: { seq, source, id, type, key, khash, data, ext, receivedAt: received_at },
    keyGen: keys === 'same' ? (key_gen ?? gen ?? 0) : (gen ?? 0) + 1,
    results: new Map(given),
  }
}

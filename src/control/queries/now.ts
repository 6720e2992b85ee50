import type { Database } from '../../journal/database.ts'
import { iso } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Now, UnderWay } from '../schema/now.ts'
import type { BulkAct } from '../schema/bulk.ts'
import type { Replay } from '../schema/replay.ts'
import { capital, count, link, say } from '../sentence.ts'
import { listAudit } from './audit.ts'
import { together } from './backlog.ts'
import { listBulkActs } from './bulk-acts.ts'
import { readCharts } from './charts.ts'
import { listProblems } from './problems.ts'
import { listReplays } from './replays.ts'
import { readStanding } from './status.ts'
import type { TransportInUse } from './transport.ts'
import type { NounOf } from './waiting.ts'

const shown = { problems: 5, acts: 6, looked: 20, underWay: 5 }

/** What the Now page shows, in one answer. Bounded queries by index, as many at a time as the database's pool gives. */
export async function readNow(
  database: Database,
  ask: { readonly transport: TransportInUse; readonly nounOf: NounOf; readonly hours: number },
): Promise<Now> {
  const [{ status, systems, behind, problems }, rest] = await Promise.all([
    readTroubles(database, ask),
    readCourse(database, ask.hours),
  ])
  const { pending, exact, oldestPendingAt } = together(behind)
  return {
    at: rest.charts.until,
    ok: status.ok,
    sentences: status.sentences,
    unread: { pending, exact, oldestAt: oldestPendingAt },
    workers: status.workers,
    systems: [...systems],
    problems,
    ...rest,
  }
}

/** How everything stands. */
async function readTroubles(
  database: Database,
  { transport, nounOf }: { readonly transport: TransportInUse; readonly nounOf: NounOf },
) {
  const standing = await readStanding(database, transport, nounOf)
  const { items, counts } = await listProblems(database, {
    state: 'unresolved',
    sort: 'lastSeen',
    limit: shown.problems,
    behind: standing.behind,
  })
  return { ...standing, problems: { items, counts } }
}

/** What has happened, and is under way. */
async function readCourse(database: Database, hours: number) {
  return {
    charts: await readCharts(database, hours),
    accepted: await accepted(database),
    underWay: await underWay(database),
    lately: (await listAudit(database, { limit: shown.acts })).items.map(
      ({ number: _number, hash: _hash, ...entry }) => entry,
    ),
  }
}

async function accepted(database: Database): Promise<Now['accepted']> {
  const [row] = await database.query<{ events: number; newest_at: DatabaseTime }>({
    name: 'accepted-lately',
    text: `SELECT (SELECT coalesce(max(seq), 0) FROM events) + 1 - seq_at(clock_timestamp() - interval '5 min') AS events,
                  (SELECT received_at FROM events ORDER BY seq DESC LIMIT 1) AS newest_at`,
  })
  return {
    perMinute: Math.round((Math.max(0, Number(row?.events ?? 0)) / 5) * 10) / 10,
    newestAt: iso(row?.newest_at ?? null),
  }
}

/** Among the newest replays and acts on many runs, those that have not ended; the newest first. */
async function underWay(database: Database): Promise<UnderWay[]> {
  const replays = (await listReplays(database, { limit: shown.looked })).items.flatMap(ofReplay)
  const acts = (await listBulkActs(database, { limit: shown.looked })).items.flatMap(ofBulkAct)
  return [...acts, ...replays]
    .sort((one, other) => (other.startedAt ?? '').localeCompare(one.startedAt ?? ''))
    .slice(0, shown.underWay)
}

function ofReplay({ id, state, counts, total, createdBy, startedAt, flow }: Replay): UnderWay[] {
  if (state !== 'running' && state !== 'paused' && state !== 'stopped') return []
  const done = Math.max(0, total - counts.left - counts.underWay)
  const title = say`Replay of ${link('flow', flow)}`
  return [
    {
      kind: 'replay',
      id,
      title,
      by: createdBy,
      state,
      done,
      failed: counts.failed,
      total,
      startedAt,
      leftMs: null,
    },
  ]
}

function ofBulkAct(act: BulkAct): UnderWay[] {
  const { id, verb, problem, state, counts, total, createdBy, startedAt, leftMs } = act
  if (state !== 'running' && state !== 'paused' && state !== 'stopped') return []
  const done = Math.max(0, total - counts.left - counts.underWay)
  const runs = `${capital(verb)} ${count(total, 'run')}`
  const title = problem
    ? say`${runs} of ${link('problem', problem.fingerprint, problem.title)}`
    : say`${runs}`
  return [
    { kind: 'bulk', id, title, by: createdBy, state, done, failed: counts.failed, total, startedAt, leftMs },
  ]
}

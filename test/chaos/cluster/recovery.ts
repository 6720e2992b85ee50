/** Sees when a cluster is well again, and how long that took. */
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { say } from '../children.ts'
import { query } from '../journal-view.ts'
import type { Cluster, ClusterNode } from './rig.ts'
import { ownerChanges, workerChanges } from './witness.ts'

const pollMs = 50
const patienceMs = 60_000
const mostBehind = 150

/** Resolves to how long it took, once every process is ready, every partition has an owner and the log is read; undefined when that never comes. */
export async function well(cluster: Cluster): Promise<number | undefined> {
  let why = ''
  const ms = await timeUntil(
    async () => (why = await whyNotWell(cluster)) === '',
    (failed) => (why = failed),
  )
  if (ms === undefined) say(`not well: ${why}`)
  return ms
}

async function whyNotWell(cluster: Cluster): Promise<string> {
  const all = [...cluster.ingress, ...cluster.workers].map(({ process }) => process)
  const ready = await Promise.all(all.map(({ door }) => answers(`${door}/health/ready`).catch(() => false)))
  const waiting = all.filter((_, index) => !ready[index]).map(({ name }) => name)
  if (waiting.length > 0) return `${waiting.join(', ')} not ready`
  const [state = { free: 0, behind: 0 }] = await query(cluster.url, (sql) =>
    sql<{ free: number; behind: number }>(`SELECT
      (SELECT count(*) FROM lane_groups g LEFT JOIN workers w ON w.id = g.owner
       WHERE w.id IS NULL OR w.dead OR w.lease_until < clock_timestamp())::int AS free,
      ((SELECT max(seq) FROM events) - (SELECT min(position) FROM positions))::int AS behind`),
  )
  if (state.free > 0) return `${state.free} partitions without a live owner`
  return state.behind < mostBehind ? '' : `${state.behind} events not read`
}

/** From now until every door accepts; what it is asked to accept is known to it already. */
export function accepting(doors: readonly ClusterNode[]): Promise<number | undefined> {
  return timeUntil(async () => (await Promise.all(doors.map((door) => accepts(door)))).every((did) => did))
}

/** From now until the database itself answers. */
export function databaseAnswers(cluster: Cluster): Promise<number | undefined> {
  return timeUntil(async () => {
    await query(cluster.url, (sql) => sql('SELECT 1'))
    return true
  })
}

/** From now until all that is in the log at this moment has been through the broker, whose queues are consumed and empty. */
export async function carried(cluster: Cluster): Promise<number | undefined> {
  const [{ head } = { head: 0 }] = await query(cluster.url, (sql) =>
    sql<{ head: number }>('SELECT coalesce(max(seq), 0)::int AS head FROM events'),
  )
  return timeUntil(async () => {
    const [state] = await query(cluster.url, (sql) =>
      sql<{ relay: number; read: number; queues: string[] }>(`SELECT
        (SELECT max(position) FROM log_relays)::int AS relay, (SELECT min(position) FROM positions)::int AS read,
        (SELECT array_agg(queue) FROM broker_queues) AS queues`),
    )
    if (!state || state.relay < head || state.read < head) return false
    const queues = await Promise.all(
      state.queues.map((queue) => cluster.neighbour.queueDeclare({ queue, passive: true })),
    )
    return queues.every(({ consumerCount, messageCount }) => consumerCount > 0 && messageCount === 0)
  })
}

/** The partitions that a process owns now, and under which name. */
export async function ownedBy(
  cluster: Cluster,
  pid: number,
): Promise<{ worker: string; partitions: number }> {
  const [owned] = await query(cluster.url, (sql) =>
    sql<{ worker: string; partitions: number }>(`SELECT w.id AS worker, count(g.grp)::int AS partitions
      FROM workers w LEFT JOIN lane_groups g ON g.owner = w.id
      WHERE w.pid = ${pid} AND NOT w.dead GROUP BY w.id, w.started_at ORDER BY w.started_at DESC LIMIT 1`),
  )
  return owned ?? { worker: '', partitions: 0 }
}

/**
 * From a moment by the wall clock until all partitions that a worker owned then had another owner; undefined where it
 * owned none, or one has none yet. To be asked afterwards.
 */
async function takeoverMs(cluster: Cluster, worker: string, since: number): Promise<number | undefined> {
  const changes = await ownerChanges(cluster.url)
  const parts = Map.groupBy(changes, ({ group, part }) => `${group}/${part}`)
  const times = [...parts.values()].flatMap((history) => {
    const last = history.findLastIndex(({ at }) => at <= since)
    if (history[last]?.owner !== worker) return []
    const next = history.slice(last + 1).find(({ owner }) => owner !== null && owner !== worker)
    return [next ? next.at - since : Number.NaN]
  })
  const longest = Math.max(...times)
  return times.length === 0 || Number.isNaN(longest) ? undefined : longest
}

/** Resolves to `takeoverMs` once it is known; undefined when that never comes. */
export async function takeover(cluster: Cluster, worker: string, since: number): Promise<number | undefined> {
  let ms: number | undefined
  await timeUntil(async () => (ms = await takeoverMs(cluster, worker, since)) !== undefined)
  return ms
}

/** Whether the process was declared dead after this moment. */
export async function diedAfter(cluster: Cluster, worker: string, since: number): Promise<boolean> {
  const changes = await workerChanges(cluster.url)
  return changes.some((change) => change.worker === worker && change.what === 'dead' && change.at > since)
}

/** A condition that throws does not hold yet. */
async function timeUntil(
  condition: () => Promise<boolean>,
  onError: (why: string) => void = () => undefined,
): Promise<number | undefined> {
  const startedAt = performance.now()
  for (;;) {
    const holds = await condition().catch((error: unknown) => {
      onError(String(error))
      return false
    })
    const passed = performance.now() - startedAt
    if (holds) return passed
    if (passed > patienceMs) return undefined
    await sleep(pollMs)
  }
}

async function answers(url: string): Promise<boolean> {
  const { statusCode, body } = await request(url, { headersTimeout: 2_000, bodyTimeout: 2_000 })
  await body.dump()
  return statusCode === 200
}

async function accepts({ process }: ClusterNode): Promise<boolean> {
  const event = { specversion: '1.0', id: 'probe', source: 'urn:chaos', type: 'chaos.probe', data: {} }
  const { statusCode, body } = await request(`${process.door}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(event),
    headersTimeout: 2_000,
    bodyTimeout: 2_000,
  })
  await body.dump()
  return statusCode === 202
}

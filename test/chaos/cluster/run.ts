/** The chaos of a cluster: processes of each role, PostgreSQL, RabbitMQ, and the lines between them. */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { say } from '../children.ts'
import { sqlInvariants } from '../invariants.sql.ts'
import { drained, query, watch } from '../journal-view.ts'
import { dealsOf } from '../plan.ts'
import type { Plan, Result } from '../plan.ts'
import type { DealRecord, SinkRecord } from '../sinks.ts'
import { judgeRun } from '../verdict.ts'
import { commit } from './faults.ts'
import { judgeOwners } from './owner-checker.ts'
import type { OwnedRequest } from './owner-checker.ts'
import { plannedFaults } from './plan.ts'
import { accepting, well } from './recovery.ts'
import type { Cluster } from './rig.ts'
import { startCluster } from './rig.ts'
import type { FaultRecord } from './scene.ts'
import { killTakers } from './takeovers.ts'
import { Times } from './times.ts'
import { lateWrites, ownerChanges, workerChanges } from './witness.ts'

/** Does faults until there are enough, heals all, has everything drain, and judges what targets and database have seen. */
export async function clusterChaos(plan: Plan): Promise<Result> {
  say(
    `chaos with seed ${plan.seed}: ${plan.ingress} ingress, ${plan.workers} workers, PostgreSQL and RabbitMQ`,
  )
  await using started = new AsyncDisposableStack()
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => void started.disposeAsync().finally(() => process.exit(130)))
  const startedAt = performance.now()
  const violations: string[] = []
  const cluster = await startCluster(plan, started, (what) => violations.push(what))
  const times = new Times()
  started.defer(() => times.close())
  if ((await well(cluster)) === undefined) throw new Error('the cluster has not started')
  await accepting(cluster.ingress)
  say(`it runs after ${Math.round((performance.now() - startedAt) / 1_000)} s`)
  const snapshots = watch(cluster.url, violations)
  const records: FaultRecord[] = []
  if (plan.takeovers > 0) {
    const takers = await killTakers({ cluster, seed: plan.seed, rounds: plan.takeovers, times })
    records.push(...takers.records)
    violations.push(...takers.violations)
  }
  records.push(...(await faults(plan, { cluster, times, violations, startedAt })))
  const { published, resent } = await cluster.publisher.stop()
  say(`published ${published} events, ${resent} sendings were repeated; waiting for all runs to end`)
  const undone = await drained(cluster.url, published * 3 + dealsOf(published))
  violations.push(...undone.violations)
  const taken = await snapshots.stop()
  if (taken === 0) violations.push('nothing proved: no snapshot could be taken')
  for (const { process } of [...cluster.ingress, ...cluster.workers]) {
    const how = await process.stop(20_000)
    if (how !== 'code 0') violations.push(`${process.name} did not stop as asked: ${how}`)
  }
  const verdict = await judgeRun({
    url: cluster.url,
    folder: cluster.folder,
    sinks: cluster.sinks,
    published,
  })
  const owners = judgeOwners({
    requests: await owned(cluster, verdict.requests),
    owners: await ownerChanges(cluster.url),
    workers: await workerChanges(cluster.url),
  })
  violations.push(
    ...verdict.violations,
    ...owners.violations,
    ...(await lateWrites(cluster.url)),
    ...times.late,
  )
  for (const { kind, target, proof } of records)
    if (proof === '') violations.push(`nothing proved: "${kind}" of ${target} did not happen`)
  if (owners.checked['zombies'] === 0) violations.push('nothing proved: no worker outlived its death mark')
  if (violations.length > 0) await keepRecords(plan, cluster, records)
  return {
    seed: plan.seed,
    events: published,
    faults: {
      fired: records.length,
      ...counted(records),
      ...verdict.faults,
      takeovers: undone.takeovers,
      resent,
      poisonRetried: undone.retried,
    },
    checks: {
      snapshots: taken,
      invariants: sqlInvariants.length,
      ...verdict.checked,
      ...owners.checked,
      cpuWait: Number(times.wait.toFixed(1)),
      lateForWantOfCpu: times.starved.length,
    },
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    violations,
    recovery: times.inWords(),
  }
}

/** One after the other, each when the cluster is well and some events have gone through. */
async function faults(
  plan: Plan,
  scene: { cluster: Cluster; times: Times; violations: string[]; startedAt: number },
): Promise<FaultRecord[]> {
  const { cluster, times, violations, startedAt } = scene
  const records: FaultRecord[] = []
  for (const fault of plannedFaults(plan.seed)) {
    const passed = performance.now() - startedAt
    if (records.length >= plan.faults || passed > plan.minutes * 60_000) return records
    await cluster.publisher.more(fault.afterEvents)
    const done = await commit({ cluster, times }, fault)
    records.push(...done)
    const wellMs = await well(cluster)
    times.note('healed → every process ready, every partition owned, the log read', wellMs)
    for (const { kind, target, proof, startedAt: from, endedAt } of done)
      say(
        `${records.length} ${kind} of ${target}, ${endedAt - from} ms: ${proof || 'DID NOT HAPPEN'}; well after ${Math.round(wellMs ?? Number.NaN)} ms`,
      )
    if (wellMs === undefined)
      violations.push(`the cluster has not become well after "${fault.kind}" of ${fault.target}`)
  }
  return records
}

/** All requests with the partition that they were for. */
async function owned(
  { url }: Cluster,
  requests: readonly (SinkRecord | DealRecord)[],
): Promise<OwnedRequest[]> {
  const rows = await query(url, (sql) => sql<{ id: string; khash: number }>('SELECT id, khash FROM events'))
  const khash = new Map(rows.map((row) => [row.id, row.khash]))
  return requests.map(({ sink, event, pid, wall, ...more }) => ({
    sink,
    event,
    pid,
    wall,
    group: 'document' in more ? `deal-${event.split('-')[0]}` : `to-${sink}`,
    khash: khash.get(event) ?? 0,
  }))
}

function counted(records: readonly FaultRecord[]): Record<string, number> {
  const byKind = Map.groupBy(records, ({ kind }) => kind)
  return Object.fromEntries([...byKind].map(([kind, of]) => [kind, of.length]))
}

/** What was done, and what the database saw of it, for whoever looks for the cause. */
async function keepRecords(plan: Plan, { url }: Cluster, records: readonly FaultRecord[]): Promise<void> {
  const file = join(tmpdir(), `busbar-chaos-${plan.seed}.json`)
  const seen = { plan, records, owners: await ownerChanges(url), workers: await workerChanges(url) }
  await writeFile(file, JSON.stringify(seen))
  say(`what was done when, and what became of workers and owners, is in ${file}`)
}

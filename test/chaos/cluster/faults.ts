/** Does one planned fault to a cluster, heals it, and measures how long the cluster took to go on. */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { killPostgres } from '../children.ts'
import { query } from '../journal-view.ts'
import type { Direction } from '../proxy.ts'
import { brokerFault } from './broker-faults.ts'
import { lineFaults } from './line-faults.ts'
import type { LineFault } from './line-faults.ts'
import type { PlannedFault } from './plan.ts'
import { accepting, databaseAnswers, diedAfter, ownedBy, takeover } from './recovery.ts'
import { leaseMs } from './rig.ts'
import type { Cluster, ClusterNode } from './rig.ts'
import { bounds } from './scene.ts'
import type { Done, FaultRecord, Scene } from './scene.ts'

/** Resolves when the fault has healed and what was measured has happened; the second record is of the kill beside it. */
export async function commit(parts: Omit<Scene, 'disturbed'>, fault: PlannedFault): Promise<FaultRecord[]> {
  const { also } = fault
  const scene = { ...parts, disturbed: also !== undefined }
  const beside = async () => {
    if (!also) return []
    await sleep(also.afterMs)
    return [await recorded('kill', () => killProcess(scene, pick(parts.cluster, also.target, also.which)))]
  }
  const [main, second] = await Promise.all([recorded(fault.kind, () => commitOne(scene, fault)), beside()])
  return [main, ...second]
}

async function recorded(kind: string, work: () => Promise<Done>): Promise<FaultRecord> {
  const startedAt = Date.now()
  const { target, proof } = await work()
  return { kind, target, proof, startedAt, endedAt: Date.now() }
}

async function commitOne(scene: Scene, fault: PlannedFault): Promise<Done> {
  if (fault.target === 'postgres') return postgresFault(scene, fault)
  if (fault.target === 'broker') return brokerFault(scene, fault)
  const node =
    fault.target === 'relay'
      ? await relayOf(scene.cluster, fault.which)
      : pick(scene.cluster, fault.target, fault.which)
  switch (fault.kind) {
    case 'kill':
      return killProcess(scene, node)
    case 'restart':
      return restartProcess(scene, node)
    case 'stop':
      return stopProcess(scene, node, leaseMs + fault.holdMs)
    case 'isolate':
    case 'holdUpSql':
      return isolate(scene, node, fault)
    default:
      return onLine(node, fault)
  }
}

function pick({ ingress, workers }: Cluster, role: 'ingress' | 'worker', which: number): ClusterNode {
  const nodes = role === 'ingress' ? ingress : workers
  return nodes[which % nodes.length] as ClusterNode
}

/** Who carries the log now. */
async function relayOf(cluster: Cluster, which: number): Promise<ClusterNode> {
  const [held] = await query(cluster.url, (sql) =>
    sql<{ holder: string | null }>('SELECT holder FROM log_relays'),
  )
  const holder = cluster.workers.find(({ process }) => held?.holder?.includes(`-${process.pid}-`))
  return holder ?? pick(cluster, 'worker', which)
}

/** kill -9; it is started again. */
export async function killProcess(scene: Scene, node: ClusterNode): Promise<Done> {
  const name = 'a worker killed → taken over'
  const how = await measured(scene, node, name, () => node.process.end('SIGKILL'))
  return { target: node.process.name, proof: how === 'signal SIGKILL' ? how : '' }
}

async function restartProcess(scene: Scene, node: ClusterNode): Promise<Done> {
  const name = 'a worker asked to end → handed over'
  const how = await measured(scene, node, name, () => node.process.end('SIGTERM'))
  return { target: node.process.name, proof: how === 'code 0' ? how : '' }
}

async function stopProcess(scene: Scene, node: ClusterNode, forMs: number): Promise<Done> {
  const { pid, name } = node.process
  const state = await measured(scene, node, 'a worker stopped → taken over', async () => {
    const stopped = node.process.freeze(forMs)
    await sleep(100)
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)])
    await stopped
    return stdout.trim()
  })
  return { target: name, proof: state.startsWith('T') ? `stood still for ${forMs} ms` : '' }
}

/** A worker that reaches its systems, and not the database, for longer than its lease. */
async function isolate(scene: Scene, node: ClusterNode, { kind, holdMs }: PlannedFault): Promise<Done> {
  const { sql, process } = node
  const { worker } = await ownedBy(scene.cluster, process.pid)
  const since = Date.now()
  const died = await measured(scene, node, 'a worker cut off → taken over', async () => {
    sql.impair('both', kind === 'isolate' ? { swallows: true } : { stalled: true })
    await sleep(leaseMs + holdMs)
    const marked = await diedAfter(scene.cluster, worker, since)
    await sql.heal()
    return marked
  })
  return { target: process.name, proof: died ? 'it was declared dead' : '' }
}

/** Does something to a process, and notes from then on until others own what it owned. */
async function measured<T>(
  { cluster, times, disturbed }: Scene,
  node: ClusterNode,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  if (!node.isWorker) return work()
  const owned = await ownedBy(cluster, node.process.pid).catch(() => undefined)
  const since = Date.now()
  const result = await work()
  if (owned === undefined || owned.partitions === 0) return result
  const ms = await takeover(cluster, owned.worker, since)
  if (disturbed) times.note(`${name}, beside another fault`, ms)
  else times.note(name, ms ?? Number.POSITIVE_INFINITY, bounds.takeoverMs)
  return result
}

async function postgresFault({ cluster, times, disturbed }: Scene, fault: PlannedFault): Promise<Done> {
  const before = await cluster.postmaster()
  if (fault.kind === 'kill') await killPostgres(cluster.postmaster)
  else process.kill(before, 'SIGINT') // ends at once, but in order
  while ((await cluster.postmaster()) === before) await sleep(20)
  const answersMs = await databaseAnswers(cluster)
  const acceptMs = await accepting(cluster.ingress)
  if (disturbed) times.note('PostgreSQL back → accepting, beside another fault', acceptMs)
  else times.note('PostgreSQL back → accepting', acceptMs ?? Number.POSITIVE_INFINITY, bounds.acceptMs)
  const after = await cluster.postmaster()
  return {
    target: 'PostgreSQL',
    proof: answersMs !== undefined && after !== before ? `process ${before} became ${after}` : '',
  }
}

/** A fault of the line from one process to one server. */
async function onLine({ process, sql, amqp }: ClusterNode, fault: PlannedFault): Promise<Done> {
  const line = fault.kind.endsWith('Sql') ? sql : amqp
  const name = fault.kind.replace(/(Sql|Amqp)$/, '') as LineFault
  const direction: Direction = fault.luck < 0.5 ? 'up' : 'down'
  const before = { ...line.counts }
  const makeBad = lineFaults[name]
  const counted = await makeBad(line, direction, fault.luck)
  await sleep(fault.holdMs)
  const times = line.counts[counted] - before[counted]
  await line.heal()
  return { target: `${process.name}, ${direction}`, proof: times > 0 ? `${counted} ${times}` : '' }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from 'rabbitmq-client'
import { brokerAnswers } from '../../../scripts/rabbitmq-broker.ts'
import { query } from '../journal-view.ts'
import type { PlannedFault } from './plan.ts'
import { carried } from './recovery.ts'
import type { Cluster } from './rig.ts'
import { bounds } from './scene.ts'
import type { Done, Scene } from './scene.ts'

const blockedWithinMs = 10_000

/** Resolves when the broker is as before and has carried what was accepted meanwhile. */
export async function brokerFault(scene: Scene, fault: PlannedFault): Promise<Done> {
  const { cluster, times, disturbed } = scene
  const accepted = cluster.publisher.acknowledged
  const proof = await commit(cluster, fault)
  // While a broker is away or blocks, doors take events as before.
  const wasLong = fault.kind !== 'deleteQueue'
  const went = cluster.publisher.acknowledged - accepted
  const ms = await carried(cluster)
  const name = `RabbitMQ ${endings[fault.kind] ?? 'back'} → drained`
  if (disturbed) times.note(`${name}, beside another fault`, ms)
  else times.note(name, ms ?? Number.POSITIVE_INFINITY, bounds.drainMs)
  return {
    target: 'RabbitMQ',
    proof: wasLong && went === 0 && !disturbed ? '' : `${proof}; ${went} accepted meanwhile`,
  }
}

const endings: Partial<Record<PlannedFault['kind'], string>> = {
  alarm: 'takes again',
  deleteQueue: 'has lost a queue',
}

async function commit(cluster: Cluster, { kind, holdMs, luck }: PlannedFault): Promise<string> {
  const { broker } = cluster
  switch (kind) {
    case 'kill':
      await broker.kill()
      return comesBack(cluster, holdMs, () => broker.start())
    case 'restart':
      await broker.ctl('stop_app')
      return comesBack(cluster, holdMs, async () => void (await broker.ctl('start_app')))
    case 'alarm':
      return alarm(cluster, holdMs)
    default:
      return deleteQueue(cluster, luck)
  }
}

async function comesBack({ broker }: Cluster, holdMs: number, start: () => Promise<void>): Promise<string> {
  const answered = await brokerAnswers(broker.url)
  await sleep(holdMs)
  await start()
  return answered ? '' : 'it did not answer'
}

/** The broker tells a connection that it is blocked once that publishes. */
async function alarm({ broker }: Cluster, holdMs: number): Promise<string> {
  const connection = new Connection(broker.url)
  connection.on('error', () => undefined)
  const blocked = Promise.withResolvers<string>()
  connection.on('connection.blocked', (reason) => blocked.resolve(`blocked: ${reason}`))
  try {
    await connection.onConnect(blockedWithinMs)
    await broker.raiseAlarm()
    const publisher = connection.createPublisher()
    publisher.send({ routingKey: 'nobody' }, 'x').catch(() => undefined)
    const reason = await Promise.race([blocked.promise, sleep(blockedWithinMs, '', { ref: false })])
    await sleep(holdMs)
    return reason
  } finally {
    await broker.clearAlarm()
    connection.unsafeDestroy()
  }
}

async function deleteQueue({ url, neighbour }: Cluster, luck: number): Promise<string> {
  const rows = await query(url, (sql) =>
    sql<{ queue: string }>('SELECT queue FROM broker_queues ORDER BY queue'),
  )
  const queue = rows[Math.floor(luck * rows.length)]?.queue ?? ''
  await neighbour.queueDelete({ queue })
  return `${queue} was deleted`
}

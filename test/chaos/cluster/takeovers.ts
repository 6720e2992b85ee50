/** Kills a worker, and the one that takes over from it in the middle of that: the recovery is what is attacked. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Dice } from '../../simulation/dice.ts'
import { say } from '../children.ts'
import { ownedBy, takeover, well } from './recovery.ts'
import type { Times } from './times.ts'
import type { Cluster, ClusterNode } from './rig.ts'
import { bounds } from './scene.ts'
import type { FaultRecord } from './scene.ts'
import type { Notice } from './witness.ts'
import { listen } from './witness.ts'

const deathWithinMs = 20_000

/** Resolves when all rounds are done and the cluster is well; two records for each. */
export async function killTakers(parts: {
  readonly cluster: Cluster
  readonly seed: number
  readonly rounds: number
  readonly times: Times
}): Promise<{ readonly records: readonly FaultRecord[]; readonly violations: readonly string[] }> {
  const { cluster, times, rounds } = parts
  const dice = new Dice(`takeovers ${parts.seed}`)
  const notices = await listen(cluster.url)
  const records: FaultRecord[] = []
  const violations: string[] = []
  for (let round = 1; round <= rounds; round++) {
    await cluster.publisher.more(dice.between(10, 40))
    const atAcquire = dice.chance(0.5)
    const victim = await anOwner(cluster, dice)
    const { worker } = await ownedBy(cluster, victim.process.pid)
    const death = notices.next((notice): notice is Dead => isDeath(notice, worker), deathWithinMs)
    // The first partition that somebody takes after that: the taker has begun, and is far from done.
    const acquired = death.then(() => notices.next(isAcquired, deathWithinMs))
    const first = await killed(victim, 'kill')
    const taker = atAcquire ? (await acquired)?.owner : (await death)?.by.replace('busbar:', '')
    const second = cluster.workers.find(({ process }) => taker?.includes(`-${process.pid}-`))
    if (!second) {
      violations.push(`round ${round}: nobody took over from ${worker} within ${deathWithinMs} ms`)
      continue
    }
    if (!atAcquire) await sleep(dice.between(0, 60))
    const owned = await ownedBy(cluster, second.process.pid)
    const since = Date.now()
    records.push(first, await killed(second, atAcquire ? 'kill at its first partition' : 'kill of the taker'))
    say(`${first.target} was killed, and ${second.process.name} while it took over`)
    if (owned.partitions > 0) {
      const ms = (await takeover(cluster, owned.worker, since)) ?? Number.POSITIVE_INFINITY
      times.note('a worker killed while it took over → taken over', ms, bounds.takeoverMs)
    }
    times.note('two kills → both taken over', await takeover(cluster, worker, first.startedAt))
    if ((await well(cluster)) === undefined)
      violations.push(`the cluster has not become well after round ${round} of kills during takeover`)
  }
  await notices.close()
  return { records, violations }
}

type Dead = Extract<Notice, { what: 'dead' }>
type Acquired = Extract<Notice, { what: 'owner' }> & { readonly owner: string }

function isDeath(notice: Notice, worker: string): boolean {
  return notice.what === 'dead' && notice.worker === worker
}

function isAcquired(notice: Notice): notice is Acquired {
  return notice.what === 'owner' && notice.owner !== null
}

async function anOwner(cluster: Cluster, dice: Dice): Promise<ClusterNode> {
  for (;;) {
    const node = dice.pick(cluster.workers)
    if ((await ownedBy(cluster, node.process.pid)).partitions > 0) return node
    await sleep(100)
  }
}

async function killed({ process }: ClusterNode, kind: string): Promise<FaultRecord> {
  const startedAt = Date.now()
  const how = await process.end('SIGKILL')
  const proof = how === 'signal SIGKILL' ? how : ''
  return { kind, target: process.name, proof, startedAt, endedAt: Date.now() }
}

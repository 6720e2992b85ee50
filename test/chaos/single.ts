/** The chaos of few processes that read the log themselves: kills and freezes. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded } from '../../src/journal/embedded.ts'
import type { Role } from '../../src/index.ts'
import { child, freePort, killPostgres, message, pidOf, say, untilDone } from './children.ts'
import { sqlInvariants } from './invariants.sql.ts'
import { drained, watch } from './journal-view.ts'
import { SupervisedNode } from './nodes.ts'
import { dealsOf, seeded } from './plan.ts'
import type { Plan, Result } from './plan.ts'
import { judgeRun } from './verdict.ts'

const leaseMs = 2_000

/** Runs the plan on one ingress, one worker and one that is both. */
export async function chaos(plan: Plan): Promise<Result> {
  say(`chaos with seed ${plan.seed}: ${plan.events} events, ${plan.kills} kills`)
  await using started = new AsyncDisposableStack()
  const startedAt = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'busbar-chaos-'))
  started.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711) // run by root, PostgreSQL runs as another user, who must get in
  const postgres = await startEmbedded({ folder: join(folder, 'journal'), onLog: say })
  started.defer(() => postgres.stop())
  const violations: string[] = []
  const sinks = child('./sinks.ts', [String(plan.seed), join(folder, 'sinks')])
  started.defer(() => void sinks.kill('SIGKILL'))
  const { urls } = await message<{ urls: string[] }>(sinks)
  const nodes = await startNodes({ url: postgres.url, sinks: urls, violations })
  started.defer(async () => void (await Promise.all(nodes.map((node) => node.stop(10_000)))))
  const overMs = plan.minutes * 60_000
  const generator = child('./generator.ts', [
    JSON.stringify({
      ...plan,
      overMs,
      doors: nodes.slice(0, 2).map(({ door }) => door),
      file: join(folder, 'acks'),
    }),
  ])
  started.defer(() => void generator.kill('SIGKILL'))
  const published = untilDone(generator)
  const snapshots = watch(postgres.url, violations)
  const kills = await killAll(plan, { nodes, overMs, postmaster: () => pidOf(join(folder, 'journal')) })
  const { resent } = await published
  say(`published; ${resent} sendings were repeated; waiting for all runs to end`)
  const undone = await drained(postgres.url, plan.events * 3 + dealsOf(plan.events))
  violations.push(...undone.violations)
  const taken = await snapshots.stop()
  if (taken === 0) violations.push('nothing proved: no snapshot could be taken')
  for (const node of nodes) {
    const how = await node.stop(20_000)
    if (how !== 'code 0') violations.push(`${node.name} did not stop as asked: ${how}`)
  }
  const verdict = await judgeRun({ url: postgres.url, folder, sinks, published: plan.events })
  const { faults } = verdict
  violations.push(...verdict.violations, ...unfired({ ...faults, ...kills }))
  return {
    seed: plan.seed,
    events: plan.events,
    faults: { ...kills, ...faults, takeovers: undone.takeovers, resent, poisonRetried: undone.retried },
    checks: { snapshots: taken, invariants: sqlInvariants.length, ...verdict.checked },
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    violations,
  }
}

async function startNodes(parts: {
  url: string
  sinks: string[]
  violations: string[]
}): Promise<SupervisedNode[]> {
  const kinds: readonly (readonly [string, readonly Role[]])[] = [
    ['ingress', ['ingress']],
    ['both', ['ingress', 'worker']],
    ['worker', ['worker']],
  ]
  const nodes: SupervisedNode[] = []
  for (const [name, roles] of kinds) {
    const settings = { url: parts.url, port: await freePort(), roles, sinks: parts.sinks, leaseMs }
    const node = new SupervisedNode({ name, settings, onOddEnd: (what) => parts.violations.push(what) })
    await node.start()
    nodes.push(node)
  }
  return nodes
}

/** Kills and freezes, evenly spread over the time with some chance in it. */
async function killAll(
  { seed, kills }: Plan,
  parts: { nodes: readonly SupervisedNode[]; overMs: number; postmaster: () => Promise<number> },
): Promise<Record<string, number>> {
  const random = seeded(seed + 1)
  const counts: Record<string, number> = {
    killed: 0,
    killedIngress: 0,
    killedWorker: 0,
    killedPostgres: 0,
    frozen: 0,
  }
  const add = (name: string) => (counts[name] = (counts[name] ?? 0) + 1)
  const everyMs = (parts.overMs * 0.95) / kills
  for (let kill = 0; kill < kills; kill++) {
    await sleep(everyMs * (0.5 + random()))
    const luck = kill < 4 ? (kill + 0.5) / 4 : random() // each kind at least once
    const [ingress, both, worker] = parts.nodes
    if (luck < 0.25) {
      await killPostgres(parts.postmaster)
      add('killedPostgres')
      say('kill -9 PostgreSQL')
    } else if (luck < 0.5) {
      const node = random() < 0.5 ? both : worker
      await node?.freeze(leaseMs + 1_500)
      add('frozen')
      say(`stood still: ${node?.name}`)
      continue
    } else if (luck < 0.75) {
      ingress?.kill()
      add('killedIngress')
      say('kill -9 ingress')
    } else {
      const node = random() < 0.5 ? both : worker
      node?.kill()
      add('killedWorker')
      say(`kill -9 ${node?.name}`)
    }
    add('killed')
  }
  return counts
}

function unfired(faults: Readonly<Record<string, number>>): string[] {
  return Object.entries(faults)
    .filter(([, count]) => count === 0)
    .map(([fault]) => `nothing proved: the fault "${fault}" never fired`)
}

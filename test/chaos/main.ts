/** `npm run chaos`: see `usage` in plan.ts. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startEmbedded } from '../../src/journal/embedded.ts'
import type { Role } from '../../src/index.ts'
import { judge, readRecords } from './checker.ts'
import type { DealRun } from './deal-checker.ts'
import { judgeDeals } from './deal-checker.ts'
import { brokenInSql, sqlInvariants } from './invariants.sql.ts'
import { SupervisedNode } from './nodes.ts'
import { eventsPerDeal, parsePlan, seeded, usage } from './plan.ts'
import type { Plan } from './plan.ts'
import type { DealRecord, SinkRecord } from './sinks.ts'

const leaseMs = 2_000
const drainMs = 120_000
const snapshotEveryMs = 3_000

/** What one run came to. */
interface Result {
  readonly seed: number
  readonly events: number
  readonly faults: Readonly<Record<string, number>>
  readonly checks: Readonly<Record<string, number>>
  readonly seconds: number
  readonly violations: readonly string[]
}

const say = (line: string) => process.stderr.write(`${line}\n`)

async function chaos(plan: Plan): Promise<Result> {
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
  const undone = await drained(postgres.url, plan.events * 3 + dealsOf(plan))
  violations.push(...undone.violations)
  const taken = await snapshots.stop()
  if (taken === 0) violations.push('nothing proved: no snapshot could be taken')
  for (const node of nodes) {
    const how = await node.stop(20_000)
    if (how !== 'code 0') violations.push(`${node.name} did not stop as asked: ${how}`)
  }
  const { faults } = await ask<{ faults: Record<string, number> }>(sinks)
  const log = await logOf(postgres.url)
  const requests = readRecords<SinkRecord | DealRecord>(join(folder, 'sinks'))
  const isDeal = (request: SinkRecord | DealRecord): request is DealRecord => 'document' in request
  const verdict = judge({
    acks: readRecords(join(folder, 'acks')),
    requests: requests.filter((request) => !isDeal(request)),
    log,
    events: plan.events + dealsOf(plan),
  })
  const deals = judgeDeals({
    requests: requests.filter(isDeal),
    runs: await dealRuns(postgres.url),
    deals: [...log.keys()].filter((id) => !id.startsWith('e-')),
  })
  violations.push(...verdict.violations, ...deals.violations, ...unfired({ ...faults, ...kills }))
  return {
    seed: plan.seed,
    events: plan.events,
    faults: { ...kills, ...faults, takeovers: undone.takeovers, resent, poisonRetried: undone.retried },
    checks: { snapshots: taken, invariants: sqlInvariants.length, ...verdict.checked, ...deals.checked },
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

/** Once it runs: it may just be starting again. */
async function killPostgres(postmaster: () => Promise<number>): Promise<void> {
  for (;;) {
    try {
      process.kill(await postmaster(), 'SIGKILL')
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      await sleep(200)
    }
  }
}

/** Takes snapshots of the invariants while everything goes on; PostgreSQL may be away. */
function watch(url: string, violations: string[]): { stop(): Promise<number> } {
  let going = true
  let taken = 0
  const done = (async () => {
    while (going) {
      await sleep(snapshotEveryMs)
      const broken = await query(url, (sql) => brokenInSql(sql, sqlInvariants)).catch(() => undefined)
      if (!broken) continue
      taken++
      violations.push(...broken.map((what) => `in a snapshot: ${what}`))
    }
  })()
  return {
    async stop() {
      going = false
      await done
      return taken
    },
  }
}

/**
 * Waits until every run has ended; parked ones are violations, but for poison, which chance alone can bring about (those
 * are retried), and for deals that a system refused and that are to be held, with those that wait behind them.
 */
async function drained(
  url: string,
  expected: number,
): Promise<{ violations: string[]; retried: number; takeovers: number }> {
  const deadline = performance.now() + drainMs
  let retried = 0
  for (;;) {
    const state = await query(url, async (sql) => ({
      ended: Number(
        (await sql<{ n: string }>(`SELECT count(*) AS n FROM runs r WHERE state >= 10 OR ${held}`))[0]?.n,
      ),
      parked: await sql<{ flow: number; seq: string; code: string; message: string }>(
        `SELECT flow, seq, code, message FROM runs r WHERE state = 4 AND NOT ${held}`,
      ),
      takeovers: Number((await sql<{ n: string }>('SELECT count(*) AS n FROM workers WHERE dead'))[0]?.n),
    })).catch(() => undefined)
    if (state) {
      const { takeovers } = state
      const wrong = state.parked.filter(({ code }) => code !== 'run.poisoned')
      if (wrong.length > 0)
        return {
          retried,
          takeovers,
          violations: wrong.map(
            ({ flow, seq, code, message }) => `parked: ${flow}/${seq} ${code}: ${message}`,
          ),
        }
      for (const { flow, seq } of state.parked) {
        await query(url, (sql) =>
          sql(`SELECT act_on_run(${flow}::smallint, ${seq}, 0::smallint, 'retry', 'chaos', NULL)`),
        )
        retried++
      }
      if (state.ended >= expected) return { violations: [], retried, takeovers }
      if (performance.now() > deadline)
        return { retried, takeovers, violations: [`D2 only ${state.ended} of ${expected} runs have ended`] }
    } else if (performance.now() > deadline)
      return { retried, takeovers: 0, violations: ['D2 the database does not answer'] }
    await sleep(500)
  }
}

/** A deal that was refused and is held, or waits behind such a one. */
const held = `(EXISTS (SELECT FROM flows f WHERE f.id = r.flow AND f.name = 'deal-held') AND (
  r.state = 4 AND r.status = 422
  OR r.state = 1 AND EXISTS (SELECT FROM runs h WHERE h.grp = r.grp AND h.key = r.key AND h.state = 4 AND h.seq < r.seq)))`

function dealsOf({ events }: Plan): number {
  return Math.floor(events / eventsPerDeal)
}

async function dealRuns(url: string): Promise<DealRun[]> {
  return query(url, (sql) =>
    sql<DealRun>(`SELECT e.id AS event, r.state, r.compensating, coalesce(s.steps, '{}') AS steps
      FROM runs r JOIN flows f ON f.id = r.flow AND f.name LIKE 'deal-%' JOIN events e ON e.seq = r.seq
      LEFT JOIN LATERAL (
        SELECT json_object_agg(s.step, json_build_object('state', s.state, 'maybe', s.maybe_at IS NOT NULL)) AS steps
        FROM steps s WHERE s.flow = r.flow AND s.seq = r.seq AND s.gen = r.gen
      ) s ON true`),
  )
}

function unfired(faults: Readonly<Record<string, number>>): string[] {
  return Object.entries(faults)
    .filter(([, count]) => count === 0)
    .map(([fault]) => `nothing proved: the fault "${fault}" never fired`)
}

async function logOf(url: string): Promise<ReadonlyMap<string, number>> {
  const rows = await query(url, (sql) => sql<{ id: string; seq: string }>('SELECT id, seq FROM events'))
  return new Map(rows.map(({ id, seq }) => [id, Number(seq)]))
}

type Sql = <Row extends pg.QueryResultRow>(text: string) => Promise<Row[]>

async function query<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    // The checks must not be what takes long: young tables have no statistics, and a plan may be quadratic.
    await client.query('SET search_path = busbar; SET enable_seqscan = off; SET statement_timeout = 20000')
    return await work(
      async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows,
    )
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function pidOf(folder: string): Promise<number> {
  const text = await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (pid > 1) return pid
  await sleep(200) // it is just starting
  return pidOf(folder)
}

function child(file: string, args: readonly string[]): ChildProcess {
  return fork(new URL(file, import.meta.url), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

function message<T>(from: ChildProcess): Promise<T> {
  return new Promise((resolve) => from.once('message', (value) => resolve(value as T)))
}

function ask<T>(of: ChildProcess): Promise<T> {
  const answer = message<T>(of)
  of.send({})
  return answer
}

function untilDone(generator: ChildProcess): Promise<{ resent: number }> {
  return new Promise((resolve) =>
    generator.on('message', (value: { done?: boolean; acknowledged: number; resent?: number }) => {
      if (value.acknowledged % 5_000 < 1_000 && !value.done) say(`${value.acknowledged} acknowledged`)
      if (value.done) resolve({ resent: value.resent ?? 0 })
    }),
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const plan = parsePlan(process.argv.slice(2))
if (typeof plan === 'string') {
  process.stderr.write(plan)
  process.exit(plan === usage ? 0 : 2)
}
say(`chaos with seed ${plan.seed}: ${plan.events} events, ${plan.kills} kills`)
const result = await chaos(plan)
for (const violation of result.violations.slice(0, 50)) say(`violated: ${violation}`)
if (plan.json)
  process.stdout.write(`${JSON.stringify({ ...result, violations: result.violations.slice(0, 50) })}\n`)
else
  process.stdout.write(
    `seed ${result.seed}: ${result.violations.length} violations in ${result.seconds} s\n` +
      `faults: ${JSON.stringify(result.faults)}\nchecked: ${JSON.stringify(result.checks)}\n`,
  )
process.exit(result.violations.length > 0 ? 1 : 0)

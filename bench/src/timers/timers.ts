/**
 * `node bench/src/timers/timers.ts`: what runs cost that wait for a time. A million of them (--timers) are put into the journal of a
 * hub that runs, with all their rows; then the poll for due lanes, the worker's memory and its CPU are compared with
 * before, and a thousand timers that end soon show how exact they are.
 * Uses the PostgreSQL at BUSBAR_TEST_DATABASE_URL, else the one on the default port, else starts one of its own.
 */
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startTestServices } from '../../../scripts/test-services.ts'

const { values } = parseArgs({
  options: { timers: { type: 'string', default: '1000000' }, json: { type: 'boolean', default: false } },
})
const timers = Number(values.timers)
const soon = 1_000
const watchMs = 15_000

const say = (line: string) => process.stderr.write(`${line}\n`)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Usage {
  readonly cpu: { readonly user: number; readonly system: number }
  readonly memory: { readonly rss: number; readonly heapUsed: number }
}

const services = await startTestServices()
const url = services.env['BUSBAR_TEST_DATABASE_URL'] ?? ''
const schema = `timers_${process.pid}`
const client = new pg.Client({ connectionString: url })
await client.connect()
const target = createServer((request, response) => {
  request.resume()
  request.on('end', () => response.writeHead(201, { 'content-type': 'application/json' }).end('{"ok":true}'))
}).listen(0, '127.0.0.1')
await new Promise((resolve) => target.once('listening', resolve))
const { port } = target.address() as AddressInfo
const settings = JSON.stringify({ url, schema, target: `http://127.0.0.1:${port}` })

/** The hub under test, in a process of its own. */
class Hub {
  readonly #process = fork(new URL('./timers-hub.ts', import.meta.url), [settings], {
    execArgv: ['--expose-gc', '--max-semi-space-size=16'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })

  next<T>(): Promise<T> {
    return new Promise((resolve) => this.#process.once('message', (value) => resolve(value as T)))
  }

  usage(): Promise<Usage> {
    const answer = this.next<Usage>()
    this.#process.send({ ask: 'usage' })
    return answer
  }

  async stop(): Promise<void> {
    if (!this.#process.connected) return
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.send({ ask: 'stop' })
    await Promise.race([ended, sleep(10_000)])
    this.#process.kill('SIGKILL')
  }
}

let hub = new Hub()
try {
  await hub.next()
  await client.query(`SET search_path = ${schema}`)
  const before = await measure()
  await hub.stop() // what is put into the log beside its door must not be read as new
  const startedAt = performance.now()
  await insert(timers, { fromSeq: 0, dueIn: `interval '1 day' + n * interval '1 ms'` })
  await insert(soon, { fromSeq: timers, dueIn: `interval '45 s' + n * interval '5 ms'` })
  await client.query('UPDATE positions SET position = $1', [timers + soon])
  say(`${timers} waiting runs put in within ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
  hub = new Hub()
  await hub.next()
  const after = await measure()
  const exact = await exactness()
  report({ before, after, exact, bytesPerTimer: await bytesPerTimer() })
} finally {
  await hub.stop()
  target.close()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
  await services.stop()
}

/** Runs that have made their first call and wait, each with its event, its steps and its lane, as the owner writes them. */
async function insert(count: number, { fromSeq, dueIn }: { fromSeq: number; dueIn: string }): Promise<void> {
  const rows = `generate_series(1, ${count}) n`
  const due = `clock_timestamp() + ${dueIn}`
  await client.query('BEGIN')
  await client.query(`
    INSERT INTO events (seq, source, id, type, key, khash, received_at, data, ext)
    SELECT ${fromSeq} + n, 'urn:timers', 'e-' || ${fromSeq} + n, 'timers.order.placed', 'SO-' || ${fromSeq} + n, n % 1000,
           clock_timestamp(), '{"number":"SO-' || ${fromSeq} + n || '"}', '{}' FROM ${rows}`)
  await client.query(`
    INSERT INTO runs (flow, seq, state, system, tries, attempts, first_at, ord, khash, lord, grp, key, next_at, reason, awaits)
    SELECT f.id, ${fromSeq} + n, 1, 0, 0, 0, clock_timestamp(), 0, n % 1000, ${fromSeq} + n, f.grp, 'SO-' || ${fromSeq} + n, ${due},
           'waits as long as its flow says', 'timer' FROM ${rows}, flows f WHERE f.name = 'remind'`)
  await client.query(`
    INSERT INTO steps (flow, seq, gen, step, state, tries, attempts, first_at, ended_at, next_at, ms, status, result)
    SELECT f.id, ${fromSeq} + n, 0, s.step, s.state, s.tries, s.tries, clock_timestamp(), CASE s.state WHEN 10 THEN clock_timestamp() END,
           CASE s.state WHEN 1 THEN ${due} END, s.ms, s.status, s.result
    FROM ${rows}, flows f, (VALUES ('sale', 10, 1, 12, 201, '{"ok":true}'), ('cool-off', 1, 0, NULL, NULL, NULL))
      AS s (step, state, tries, ms, status, result) WHERE f.name = 'remind'`)
  await client.query(`
    INSERT INTO lanes (grp, key, khash, system, next_at, awaits, reason)
    SELECT r.grp, r.key, r.khash, 0, r.next_at, r.awaits, r.reason FROM runs r WHERE r.seq > ${fromSeq}`)
  await client.query('COMMIT')
}

/** The poll as owners make it, and what the worker needs while nothing is due. */
async function measure() {
  const [group] = (await client.query<{ grp: string }>('SELECT grp FROM lane_groups')).rows
  const poll = `
    SELECT l.key FROM unnest('{0,1}'::smallint[]) AS s (id)
    CROSS JOIN LATERAL (
      SELECT l.key, l.next_at FROM lanes l
      WHERE l.grp = '${group?.grp}' AND l.system = s.id AND l.next_at <= (SELECT clock_timestamp()) AND l.khash % 1 = 0
      ORDER BY l.next_at LIMIT 128
    ) l ORDER BY l.next_at LIMIT 128`
  const plan = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, BUFFERS) ${poll}`)
  const times: number[] = []
  for (let round = 0; round < 200; round++) {
    const startedAt = performance.now()
    await client.query(poll)
    times.push(performance.now() - startedAt)
  }
  times.sort((one, other) => one - other)
  const from = await hub.usage()
  await sleep(watchMs)
  const to = await hub.usage()
  const cpu = to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system
  return {
    plan: plan.rows.map((row) => row['QUERY PLAN']),
    pollMs: { p50: times[100] ?? NaN, p99: times[197] ?? NaN },
    rssMb: to.memory.rss / 1_048_576,
    heapMb: to.memory.heapUsed / 1_048_576,
    cpuShare: cpu / 1_000 / watchMs,
  }
}

/** How late timers end that are due in some seconds, by the database's clock. */
async function exactness() {
  const dues = await client.query<{ seq: string; next_at: Date }>(
    `SELECT seq, next_at FROM steps WHERE step = 'cool-off' AND seq > ${timers}`,
  )
  const due = new Map(dues.rows.map(({ seq, next_at: at }) => [seq, at.getTime()]))
  for (const deadline = performance.now() + 120_000; performance.now() < deadline; await sleep(500)) {
    const { rows } = await client.query<{ seq: string; ended_at: Date }>(
      `SELECT seq, ended_at FROM steps WHERE seq > ${timers} AND step = 'cool-off' AND state = 10`,
    )
    if (rows.length < soon) continue
    const late = rows
      .map((row) => row.ended_at.getTime() - (due.get(row.seq) ?? NaN))
      .sort((one, other) => one - other)
    return {
      timers: soon,
      earliestMs: late[0] ?? NaN,
      p50Ms: late[soon / 2] ?? NaN,
      latestMs: late.at(-1) ?? NaN,
    }
  }
  throw new Error('the timers did not end within two minutes')
}

async function bytesPerTimer(): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(t::regclass)) AS bytes FROM unnest('{runs,steps,lanes}'::text[]) t`,
  )
  return Number(rows[0]?.bytes) / (timers + soon)
}

function report(result: {
  before: Awaited<ReturnType<typeof measure>>
  after: Awaited<ReturnType<typeof measure>>
  exact: Awaited<ReturnType<typeof exactness>>
  bytesPerTimer: number
}): void {
  if (values.json) return void process.stdout.write(`${JSON.stringify({ timers, ...result })}\n`)
  const line = (name: string, { pollMs, rssMb, heapMb, cpuShare }: typeof result.before) =>
    `${name}  poll p50 ${pollMs.p50.toFixed(2)} ms, p99 ${pollMs.p99.toFixed(2)} ms; worker ${rssMb.toFixed(0)} MB resident, heap ${heapMb.toFixed(1)} MB, ${(100 * cpuShare).toFixed(1)} % of a core`
  const { exact } = result
  process.stdout.write(
    [
      line('no timers     ', result.before),
      line(`${timers} timers`, result.after),
      `rows            ${result.bytesPerTimer.toFixed(0)} bytes a timer in runs, steps and lanes with their indexes`,
      `exactness       of ${exact.timers} timers: earliest ${exact.earliestMs.toFixed(0)} ms, median ${exact.p50Ms.toFixed(0)} ms, latest ${exact.latestMs.toFixed(0)} ms after its time`,
      'plan of the poll with all timers:',
      ...result.after.plan,
      '',
    ].join('\n'),
  )
}

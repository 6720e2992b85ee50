/**
 * How soon everything goes on after a part was killed, under steady load: a worker, the broker, the database. Broker and
 * PostgreSQL are the test's own.
 */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startEmbedded } from '../../src/journal/embedded.ts'
import type { Broker } from '../rabbitmq/rig.ts'
import { describeWithOwnBroker, startBroker } from '../rabbitmq/rig.ts'
import { openStage } from './role-nodes.ts'
import type { Request, RoleNode, Stage } from './role-nodes.ts'

const keys = 16
const everyMs = 250
const partitions = 4
/** Long enough for every pause between two tries to have grown to its longest. */
const brokerAwayMs = 20_000
const databaseAwayMs = 5_000
const closers: (() => Promise<unknown>)[] = []
let stage: Stage
let broker: Broker
let database: { readonly url: string; readonly postmaster: () => Promise<number> }
let door: RoleNode
let workers: RoleNode[]
let load: Load
let clock: StallClock

/** Publishes steadily; what is not accepted is sent again, under the same id, until it is. */
class Load {
  /** When each event was accepted, by `performance.now()`. */
  readonly accepted: { readonly number: string; readonly revision: number; readonly at: number }[] = []
  refusals = 0
  readonly #url: string
  readonly #agent = new Agent({ connections: keys, pipelining: 1, headersTimeout: 10_000 })
  #stopped = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(url: string) {
    this.#url = url
  }

  start(): void {
    this.#work = Promise.all(Array.from({ length: keys }, (_, nth) => this.#publish(`K${nth}`)))
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    await this.#work
    await this.#agent.close()
  }

  async #publish(number: string): Promise<void> {
    for (let revision = 1; !this.#stopped; revision++) {
      while (!(await this.#send(number, revision))) {
        this.refusals++
        await pause(100)
      }
      this.accepted.push({ number, revision, at: performance.now() })
      await pause(everyMs)
    }
  }

  async #send(number: string, revision: number): Promise<boolean> {
    const event = {
      specversion: '1.0',
      id: `${number}-${revision}`,
      source: 'urn:test',
      type: 'order.placed',
    }
    try {
      const { statusCode, body } = await request(`${this.#url}/events`, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify({ ...event, data: { number, revision } }),
      })
      await body.dump()
      return statusCode === 202
    } catch {
      return false
    }
  }
}

/**
 * How long this process itself was kept from running. The bounds are promised of a machine that has room; where others
 * take its processors, the clock of every lease and pause goes on while nobody works, so what this process was kept
 * waiting is added, three times over: there are three processes of busbar beside it, and a server or two.
 */
class StallClock {
  #total = 0
  #last = performance.now()
  readonly #timer = setInterval(() => {
    const now = performance.now()
    this.#total += Math.max(0, now - this.#last - 40)
    this.#last = now
  }, 20)

  /** From now on; the answer says how much may be added. */
  begin(): () => number {
    const before = this.#total
    return () => 3 * (this.#total - before)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

async function ownPostgres(): Promise<typeof database> {
  const folder = await mkdtemp(join(tmpdir(), 'busbar-test-recovery-'))
  closers.push(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711) // run by root, PostgreSQL runs as another user, who must get in
  // It starts a PostgreSQL again that was killed, as the service manager of a machine does.
  const embedded = await startEmbedded({ folder: join(folder, 'journal'), onLog: () => undefined })
  closers.push(() => embedded.stop())
  const postmaster = async () =>
    Number((await readFile(join(folder, 'journal', 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])
  return { url: embedded.url, postmaster }
}

/** Whether every partition that these processes run gets its events from the broker, and the relay keeps up. */
async function isCarried(nodes: readonly RoleNode[]): Promise<boolean> {
  const answers = await Promise.all(
    nodes.map(async ({ url }) => (await request(`${url}/metrics`)).body.text().catch(() => '')),
  )
  const carried = answers.map((text) => /^busbar_group_carried\{group="book-0"\} (\d)/m.exec(text)?.[1])
  const lags = answers.map((text) => Number(/^busbar_relay_lag_seconds (\S+)/m.exec(text)?.[1] ?? Number.NaN))
  return carried.every((each) => each === '1') && lags.every((each) => each < 1)
}

/** When the condition held first, by `performance.now()`. */
async function whenTrue(condition: () => Promise<boolean>, withinMs: number): Promise<number> {
  const deadline = performance.now() + withinMs
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${condition.toString()}`)
    await pause(50)
  }
  return performance.now()
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`
const deliveredAfter = (at: number, which: (each: Request) => boolean = () => true) =>
  stage.target.requests.filter((each) => each.at > at && which(each))

/** The longest time without a delivery. */
function longestGap(from: number, to: number): number {
  const times = [from, ...deliveredAfter(from).map(({ at }) => at), to].filter((at) => at <= to)
  return Math.max(...times.map((at, index) => at - (times[index - 1] ?? at)))
}

describeWithOwnBroker('what goes on after a part was killed', () => {
  beforeAll(async () => {
    broker = await startBroker()
    closers.push(() => broker.stop())
    database = await ownPostgres()
    stage = await openStage(database.url)
    closers.push(() => stage.close())
    const settings = { flows: 1, partitions, broker: broker.url } as const
    door = await stage.node({ roles: ['ingress', 'relay'], ...settings })
    workers = [
      await stage.node({ roles: ['worker'], ...settings }),
      await stage.node({ roles: ['worker'], ...settings }),
    ]
    for (const node of [door, ...workers]) await node.start()
    load = new Load(door.url)
    clock = new StallClock()
    load.start()
    await whenTrue(() => isCarried(workers), 60_000)
  }, 180_000)

  afterAll(async () => {
    clock.stop()
    const ends = [() => load.stop(), ...closers.splice(0).reverse()]
    const faults: unknown[] = []
    for (const end of ends) await end().catch((error: unknown) => faults.push(error))
    expect(faults).toEqual([])
  }, 60_000)

  it('delivers the partitions of a killed worker again within 10 s', { timeout: 120_000 }, async () => {
    const [victim, other] = workers as [RoleNode, RoleNode]
    const owned = await stage.sql<{ part: number }>(
      `SELECT part FROM lane_groups g JOIN workers w ON w.id = g.owner WHERE w.pid = ${victim.pid}`,
    )
    expect(owned.length).toBeGreaterThan(0)
    const places = await stage.sql<{ key: string; part: number }>(
      `SELECT DISTINCT key, khash % ${partitions} AS part FROM events`,
    )
    const mayAdd = clock.begin()
    victim.signal('SIGKILL')
    await victim.ended
    const killedAt = performance.now()
    const mine = owned.map(
      ({ part }) => new Set(places.filter((each) => each.part === part).map(({ key }) => key)),
    )
    // What it had sent may reach the target a moment after its end.
    const first = (own: ReadonlySet<string>) =>
      deliveredAfter(killedAt + 200, ({ number }) => own.has(number))[0]
    await whenTrue(async () => mine.every((own) => first(own) !== undefined), 60_000)
    const took = mine.map((own) => (first(own)?.at ?? 0) - killedAt)
    console.log(
      `a worker killed: its ${took.length} partition(s) deliver again after ${took.map(seconds).join(', ')}`,
    )
    expect(Math.max(...took)).toBeLessThan(10_000 + mayAdd())
    await victim.start()
    await whenTrue(() => isCarried([victim, other]), 60_000)
  })

  it(
    'delivers by the log while the broker is away, and by the broker again within 10 s of its return',
    { timeout: 180_000 },
    async () => {
      const mayAdd = clock.begin()
      const killedAt = performance.now()
      await broker.kill()
      await pause(brokerAwayMs)
      expect(await isCarried(workers)).toBe(false)
      await broker.start()
      const backAt = performance.now()
      const carriedAt = await whenTrue(() => isCarried(workers), 60_000)
      const away = deliveredAfter(killedAt).filter(({ at }) => at < backAt).length
      const accepted = load.accepted.filter(({ at }) => at > killedAt && at < backAt).length
      const gap = longestGap(killedAt, carriedAt)
      console.log(
        `the broker killed, away for ${seconds(backAt - killedAt)}: ${accepted} accepted and ${away} delivered meanwhile, longest pause ${seconds(gap)}; carried again ${seconds(carriedAt - backAt)} after its return`,
      )
      expect(away).toBeGreaterThan(accepted * 0.8)
      expect(gap).toBeLessThan(5_000 + mayAdd())
      expect(carriedAt - backAt).toBeLessThan(10_000 + mayAdd())
      await pause(6_000) // the owners have looked at the log meanwhile, and found nothing that the broker had not brought
      expect(await isCarried(workers)).toBe(true)
    },
  )

  it('accepts events again within 5 s of the return of PostgreSQL', { timeout: 120_000 }, async () => {
    const mayAdd = clock.begin()
    const killedAt = performance.now()
    // Each time that it has come back, so that the pauses between tries grow.
    for (; performance.now() - killedAt < databaseAwayMs; await pause(100)) await killPostgres()
    await whenTrue(async () => !(await answers(database.url)), 10_000)
    const backAt = await whenTrue(() => answers(database.url), 60_000)
    // Of every publisher: not only of the first that tried.
    const acceptedAgain = () => {
      const after = load.accepted.filter(({ at }) => at > backAt)
      return [...Map.groupBy(after, ({ number }) => number).values()].map(([first]) => first?.at ?? 0)
    }
    await whenTrue(async () => acceptedAgain().length === keys, 60_000)
    const took = Math.max(...acceptedAgain()) - backAt
    await whenTrue(async () => deliveredAfter(backAt + 200).length > 0, 60_000)
    const delivered = (deliveredAfter(backAt + 200)[0]?.at ?? 0) - backAt
    console.log(
      `PostgreSQL killed, away for ${seconds(backAt - killedAt)}: events of all publishers accepted again within ${seconds(took)} of its return, delivered ${seconds(delivered)} after it; ${load.refusals} refusals`,
    )
    expect(took).toBeLessThan(5_000 + mayAdd())
  })

  it('has lost nothing and turned nothing around', { timeout: 120_000 }, async () => {
    await load.stop()
    const expected = Map.groupBy(load.accepted, ({ number }) => number)
    const seen = () => Map.groupBy(stage.target.requests, ({ number }) => number)
    const last = () =>
      [...expected].every(
        ([number, own]) =>
          new Set(
            seen()
              .get(number)
              ?.map((each) => each.revision),
          ).size >= own.length,
      )
    await whenTrue(async () => last(), 60_000)
    for (const [number, own] of expected) {
      const firsts = [
        ...new Set(
          seen()
            .get(number)
            ?.map(({ revision }) => revision),
        ),
      ]
      expect(firsts).toEqual(own.map(({ revision }) => revision))
    }
    expect(load.accepted.length).toBeGreaterThan(500)
  })
})

/** Also when it is just starting, or has just ended. */
async function killPostgres(): Promise<void> {
  const pid = await database.postmaster().catch(() => Number.NaN)
  try {
    if (pid > 1) process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { brokenInSql, sqlInvariants } from '../../test/chaos/invariants.sql.ts'
import type { JournalUnderTest, Logged, Owned } from '../testing/journal-under-test.ts'
import {
  claimOf,
  done,
  dueNow,
  flushOf,
  lanesOf,
  ownedGroup,
  positionAt,
  publishKeys,
  row,
  runsOf,
} from '../testing/journal-under-test.ts'
import { sqlJournalUnderTest } from '../testing/sql-journal-under-test.ts'
import { openDatabase } from './database.ts'
import type { Database } from './database.ts'
import type { ClaimedRun, Journal } from './port.ts'
import { runState } from './port.ts'
import { openJournal } from './sql-journal.ts'

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = `replays_${randomBytes(6).toString('hex')}`
const { waiting, retrying, running, parked, succeeded } = runState
let database: Database
let world: JournalUnderTest

beforeAll(async () => {
  const sessions: Journal[] = []
  for (let session = 0; session < 4; session++)
    sessions.push(
      await openJournal({ url, schema, worker: `s-${session}`, maxConnections: 2, migrate: session === 0 }),
    )
  database = openDatabase({ url, schema, applicationName: 'replays', maxConnections: 6 })
  world = sqlJournalUnderTest({
    sessions,
    database,
    violations: () =>
      brokenInSql(
        (text) => database.query({ text }),
        sqlInvariants.filter(({ scope }) => scope === 'journal'),
      ),
    async close() {
      await Promise.all(sessions.map((each) => each.close()))
      await database.query({ text: `DROP SCHEMA ${pg.escapeIdentifier(schema)} CASCADE` })
      await database.close()
    },
  })
})
afterAll(() => world.close())

interface Planned {
  readonly keys?: 'same' | 'new'
  readonly selection?: object
  readonly rate?: number
  readonly maxErrors?: number
  readonly ramp?: readonly number[]
  readonly max?: number
}

/** Plans a replay of everything that the flow has run. */
async function plan({ flow, type }: Owned, more: Planned = {}): Promise<number | null> {
  const { keys = 'new', selection, rate = 100_000, maxErrors = 0.1, ramp = [], max = 1_000 } = more
  const [made] = await database.query<{ id: number | null }>({
    text: `SELECT id FROM plan_replay($1::smallint, $2::jsonb, '{}', $3, $4, $5, $6::integer[], $7, '[]', 'ada', 'test')`,
    values: [flow.id, JSON.stringify({ types: [type], ...selection }), keys, rate, maxErrors, ramp, max],
  })
  return made?.id ?? null
}

async function act(replay: number, verb: string): Promise<string> {
  const [made] = await database.query<{ result: string }>({
    text: `SELECT act_on_replay($1, $2, 'ada', 'because') AS result`,
    values: [replay, verb],
  })
  return made?.result ?? ''
}

async function started(owned: Owned, more: Planned = {}): Promise<number> {
  const replay = (await plan(owned, more)) as number
  expect(await act(replay, 'start')).toBe('done')
  return replay
}

interface Row {
  readonly state: string
  readonly why: string | null
  readonly stage: number
  readonly stage_end: number
  readonly taken: number
  readonly fed: number
  readonly succeeded: number
  readonly failed: number
}

async function look(replay: number): Promise<Row> {
  const [found] = await database.query<Row>({ text: 'SELECT * FROM replays WHERE id = $1', values: [replay] })
  return found as Row
}

const outcomes = async (replay: number) =>
  (
    await database.query<{ outcome: string | null }>({
      text: 'SELECT outcome FROM replay_items WHERE replay = $1 ORDER BY place',
      values: [replay],
    })
  ).map(({ outcome }) => outcome)

function feed({ journal, group, lease }: Owned, replay: number): Promise<'lost' | readonly string[]> {
  return journal.feedReplay({ group, part: lease.part, epoch: lease.epoch, replay })
}

/** Events that the flow has done, its position behind them. */
async function history(owned: Owned, keys: readonly string[]): Promise<readonly Logged[]> {
  const events = await publishKeys(owned, keys)
  const position = events.at(-1)?.seq as number
  const all = { done: events.map((each) => done(owned, each)), positions: positionAt(owned, position) }
  await owned.journal.flush(flushOf(owned, { ...all, claimedTo: position }))
  return events
}

/** Takes what is due and ends it as told. */
async function work(
  owned: Owned,
  fate: (run: ClaimedRun) => object = () => ({ state: succeeded }),
): Promise<readonly ClaimedRun[]> {
  // The flow of these cases declares no steps, so that its runs need no system: 0.
  const { group, part, parts } = owned.lease
  const keys = await owned.journal.due({ group, part, parts, systems: [0, owned.system], limit: 1_000 })
  const runs = (await owned.journal.claim(claimOf(owned, keys))) as readonly ClaimedRun[]
  const rows = runs.map((run) =>
    row(owned, { ...run.event }, { gen: run.gen, lord: run.lord, tries: 1, attempts: 1, ...fate(run) }),
  )
  if (rows.length > 0) await owned.journal.flush(flushOf(owned, { runs: rows }))
  return runs
}

const generations = async (owned: Owned) =>
  (await runsOf(world, owned)).map(({ seq, gen, state }) => ({ seq, gen, state }))

describe('a selection', () => {
  it('is what the flow has run, as it was; what it has not reached is left out, for it runs anyway', async () => {
    const owned = await ownedGroup(world)
    const events = await history(owned, ['a', 'b', 'a'])
    await publishKeys(owned, ['c'])
    const replay = (await plan(owned)) as number
    await history(owned, ['d'])
    expect(await outcomes(replay)).toHaveLength(3)
    const [{ plan: counted } = { plan: null }] = await database.query<{ plan: object | null }>({
      text: 'SELECT plan FROM replays WHERE id = $1',
      values: [replay],
    })
    expect(counted).toMatchObject({ events: 3, objects: 2, firstObjects: ['a', 'b'], states: { 10: 3 } })
    const byKey = (await plan(owned, { selection: { key: 'a', fromSeq: events[1]?.seq } })) as number
    expect(await outcomes(byKey)).toHaveLength(1)
    const notDone = await plan(owned, { selection: { states: [11] } })
    expect(notDone).toBeNull()
  })

  it('of nothing, or of too much, is not stored', async () => {
    const owned = await ownedGroup(world)
    expect(await plan(owned)).toBeNull()
    await history(owned, ['a', 'b', 'c'])
    expect(await plan(owned, { max: 2 })).toBeNull()
    expect(
      await database.query({ text: 'SELECT FROM replays WHERE flow = $1', values: [owned.flow.id] }),
    ).toEqual([])
  })

  it('takes in events from before the flow began, as a first generation of their own', async () => {
    const before = await ownedGroup(world)
    const [old] = await publishKeys(before, ['k'])
    const [late] = await before.journal.registerFlows([
      {
        ...{ name: `late-${schema}`, group: before.group, ord: 1, types: [before.type], steps: [] },
        ...{ ordering: 'arrival', onParked: 'hold', start: 'now' },
      },
    ])
    const owned = { ...before, flow: late! }
    await history(before, ['z'])
    await before.journal.flush(
      flushOf(before, {
        done: [done(before, old!)],
        positions: [...positionAt(owned, 1_000_000), ...positionAt(before, 1_000_000)],
        claimedTo: 1,
      }),
    )
    const replay = await started(owned, { keys: 'same', selection: { states: [0] } })
    await feed(owned, replay)
    const [run] = await work(owned)
    expect(run).toMatchObject({ gen: 1, keyGen: 0, event: { seq: old?.seq } })
  })
})

describe('feeding', () => {
  it('makes each item a run of the next generation, in order, with the keys that were chosen', async () => {
    for (const [keys, keyGen] of [
      ['same', 0],
      ['new', 1],
    ] as const) {
      const owned = await ownedGroup(world)
      const events = await history(owned, ['a', 'b', 'a'])
      const replay = await started(owned, { keys })
      expect([...(await feed(owned, replay))].sort()).toEqual(['a', 'b'])
      expect(await world.violations()).toEqual([])
      const claimed = await work(owned)
      expect(claimed.map(({ event, gen, key, keyGen: own }) => [event.seq, gen, key, own])).toEqual([
        [events[0]?.seq, 1, 'a', keyGen],
        [events[2]?.seq, 1, 'a', keyGen],
        [events[1]?.seq, 1, 'b', keyGen],
      ])
      await feed(owned, replay)
      expect(await look(replay)).toMatchObject({ state: 'done', fed: 3, succeeded: 3, failed: 0 })
      expect(await lanesOf(world, owned)).toEqual([])
    }
  })

  it('of a replay of a replay sends the keys of the first run again, where the same are chosen', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a'])
    for (const generation of [1, 2]) {
      const replay = await started(owned, { keys: 'same' })
      await feed(owned, replay)
      expect(await work(owned)).toMatchObject([{ gen: generation, keyGen: 0 }])
      await feed(owned, replay)
    }
    const replay = await started(owned, { keys: 'new' })
    await feed(owned, replay)
    expect(await work(owned)).toMatchObject([{ gen: 3, keyGen: 3 }])
    await feed(owned, replay)
  })

  it('waits until the group has come to where the log was at its creation', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a'])
    const [later] = await publishKeys(owned, ['b'])
    const replay = await started(owned)
    expect(await feed(owned, replay)).toEqual([])
    expect(await look(replay)).toMatchObject({ taken: 0 })
    await owned.journal.flush(
      flushOf(owned, {
        done: [done(owned, later!)],
        positions: positionAt(owned, later!.seq),
        claimedTo: later!.seq,
      }),
    )
    expect(await feed(owned, replay)).toEqual(['a'])
  })

  it('puts its runs behind what came before its creation, and before what came after it', async () => {
    const owned = await ownedGroup(world)
    const [old] = await history(owned, ['k'])
    const [open] = await publishKeys(owned, ['k'])
    await owned.journal.flush(
      flushOf(owned, {
        runs: [row(owned, open!)],
        positions: positionAt(owned, open!.seq),
        claimedTo: open!.seq,
      }),
    )
    const replay = await started(owned)
    const [after] = await publishKeys(owned, ['k'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, after!)] }))
    await feed(owned, replay)
    const order = (await work(owned)).map(({ event, gen }) => [event.seq, gen])
    expect(order).toEqual([
      [open?.seq, 0],
      [old?.seq, 1],
      [after?.seq, 0],
    ])
  })

  it('does not double a run that is still open', async () => {
    const owned = await ownedGroup(world)
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await owned.journal.flush(
      flushOf(owned, {
        runs: [row(owned, a!, { state: parked })],
        done: [done(owned, b!)],
        positions: positionAt(owned, b!.seq),
        claimedTo: b!.seq,
      }),
    )
    const replay = await started(owned)
    await feed(owned, replay)
    expect(await outcomes(replay)).toEqual(['open', 'fed'])
    await work(owned)
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ state: 'done', taken: 2, fed: 1, succeeded: 1 })
    expect((await generations(owned)).filter(({ seq }) => seq === a?.seq)).toHaveLength(1)
  })

  it('passes over events that are no longer kept', async () => {
    const owned = await ownedGroup(world)
    const [a] = await history(owned, ['a', 'b'])
    const replay = await started(owned)
    await database.query({ text: 'DELETE FROM events WHERE seq = $1', values: [a?.seq] })
    await feed(owned, replay)
    expect(await outcomes(replay)).toEqual(['gone', 'fed'])
  })

  it('keeps to the rate', async () => {
    const owned = await ownedGroup(world)
    await history(
      owned,
      Array.from({ length: 60 }, (_, index) => `k${index}`),
    )
    const replay = await started(owned, { rate: 20 })
    const from = performance.now()
    for (let calls = 0; calls < 25; calls++) {
      await feed(owned, replay)
      await world.advance(40)
    }
    const { taken } = await look(replay)
    expect(taken).toBeGreaterThanOrEqual(20)
    expect(taken).toBeLessThanOrEqual(10 + 20 * ((performance.now() - from) / 1_000))
  })

  it('is refused to an owner whose epoch has passed, which leaves nothing behind', async () => {
    const zombie = await ownedGroup(world, { session: 1 })
    await history(zombie, ['a'])
    const replay = await started(zombie)
    await zombie.journal.release(zombie.worker, zombie.lease)
    const lease = await zombie.journal.acquire(zombie.worker, zombie.group, 0)
    expect(await feed(zombie, replay)).toBe('lost')
    expect(await look(replay)).toMatchObject({ taken: 0 })
    expect(await feed({ ...zombie, lease: lease! }, replay)).toEqual(['a'])
  })

  it('by a replay of another lane group does nothing', async () => {
    const owned = await ownedGroup(world)
    const other = await ownedGroup(world)
    await history(owned, ['a'])
    const replay = await started(owned)
    expect(await feed(other, replay)).toEqual([])
    expect(await look(replay)).toMatchObject({ taken: 0 })
  })
})

describe('the ramp', () => {
  it('opens the next stage when the runs of the last one are through: 1, 10, the rest', async () => {
    const owned = await ownedGroup(world)
    await history(
      owned,
      Array.from({ length: 14 }, (_, index) => `k${index}`),
    )
    const replay = await started(owned, { ramp: [1, 10] })
    const taken: number[] = []
    for (let round = 0; round < 4; round++) {
      for (let again = 0; again < 3; again++) await feed(owned, replay)
      taken.push((await look(replay)).taken)
      await work(owned)
    }
    expect(taken).toEqual([1, 11, 14, 14])
    expect(await look(replay)).toMatchObject({ state: 'done', stage: 3, succeeded: 14 })
  })

  it('does not wait for runs that stand behind a parked one', async () => {
    const owned = await ownedGroup(world)
    const [a1] = await publishKeys(owned, ['a'])
    const rest = await history(owned, ['a', 'b'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a1!, { state: parked })] }))
    const replay = await started(owned, { ramp: [1], selection: { fromSeq: rest[0]?.seq } })
    await feed(owned, replay)
    await feed(owned, replay)
    await feed(owned, replay)
    expect(await outcomes(replay)).toEqual(['held', 'fed'])
    await work(owned)
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ state: 'done', succeeded: 1, failed: 0 })
  })

  it('stops at the first failure of the first stage, says why, and goes on when it is resumed', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a', 'b', 'c'])
    const replay = await started(owned, { ramp: [1, 10] })
    await feed(owned, replay)
    await work(owned, () => ({ state: parked, code: 'call.invalid', message: 'no' }))
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({
      state: 'stopped',
      why: '1 of 1 runs of stage 1 failed',
      taken: 1,
      failed: 1,
    })
    const problem = async () =>
      (await world.snapshot()).problems.find(({ fp }) => fp === `replay:${replay}`)?.state
    expect(await problem()).toBe('open')
    await world.advance(2_100)
    await owned.journal.writeStats(owned.worker, [])
    expect(await problem()).toBe('open')
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ taken: 1 })
    expect(await act(replay, 'resume')).toBe('done')
    expect(await problem()).toBe('resolved')
    for (let round = 0; round < 3; round++) {
      await feed(owned, replay)
      await work(owned)
    }
    expect(await look(replay)).toMatchObject({ state: 'done', succeeded: 2, failed: 1 })
  })

  it('counts a run that is tried again as failed, and one that only waits for its system not', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a'])
    const replay = await started(owned)
    await feed(owned, replay)
    await work(owned, () => ({ state: retrying, nextInMs: 0, tries: 0, reason: 'waits for erp' }))
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ state: 'running', failed: 0 })
    await work(owned, () => ({ state: retrying, nextInMs: 60_000, tries: 1, code: 'call.transient' }))
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ state: 'stopped', failed: 1 })
  })

  it('bears as many failures as were allowed', async () => {
    const owned = await ownedGroup(world)
    await history(
      owned,
      Array.from({ length: 20 }, (_, index) => `k${index}`),
    )
    const replay = await started(owned, { maxErrors: 0.1 })
    await feed(owned, replay)
    await work(owned, ({ key }) => ({ state: key === 'k3' || key === 'k7' ? parked : succeeded }))
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ state: 'done', succeeded: 18, failed: 2 })
  })
})

describe('acts', () => {
  it('start, pause, resume and cancel a replay; what is so already stays so', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a', 'b', 'c'])
    const replay = (await plan(owned, { ramp: [1, 1] })) as number
    expect(await act(replay, 'pause')).toBe('refused')
    expect(await act(replay, 'start')).toBe('done')
    expect(await act(replay, 'start')).toBe('same')
    await feed(owned, replay)
    expect(await act(replay, 'pause')).toBe('done')
    await work(owned)
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ state: 'paused', taken: 1, succeeded: 0 })
    expect(await act(replay, 'resume')).toBe('done')
    await feed(owned, replay)
    expect(await look(replay)).toMatchObject({ taken: 2, succeeded: 1 })
    expect(await act(replay, 'cancel')).toBe('done')
    expect(await act(replay, 'resume')).toBe('refused')
    expect(await outcomes(replay)).toEqual(['succeeded', 'fed'])
    expect(await act(0, 'start')).toBe('absent')
    const audit = (await world.snapshot()).audit.filter(({ object }) =>
      object.startsWith(`replay ${replay} `),
    )
    expect(audit.map(({ verb }) => verb)).toEqual(['plan', 'start', 'pause', 'resume', 'cancel'])
  })

  it('are not needed for a plan that nobody has started for a week: the next one gives it up', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a'])
    const [old, young] = [(await plan(owned)) as number, (await plan(owned)) as number]
    await database.query({
      text: `UPDATE replays SET created_at = created_at - interval '8 days' WHERE id = $1`,
      values: [old],
    })
    await plan(owned)
    expect(await look(old)).toMatchObject({ state: 'cancelled' })
    expect(await outcomes(old)).toEqual([])
    expect(await look(young)).toMatchObject({ state: 'planned' })
  })

  it('run one replay of a flow at a time', async () => {
    const owned = await ownedGroup(world)
    await history(owned, ['a'])
    const first = await started(owned)
    const second = (await plan(owned)) as number
    expect(await act(second, 'start')).toBe('busy')
    await act(first, 'pause')
    expect(await act(second, 'start')).toBe('done')
    expect(await act(first, 'resume')).toBe('busy')
  })
})

it('two owners of one group, one of them past its epoch, and people at work feed each item once', async () => {
  const zombie = await ownedGroup(world, { session: 1 })
  const journal = world.sessions[0] as Journal
  const keys = Array.from({ length: 400 }, (_, index) => `k${index % 7}`)
  const events = await history(zombie, keys)
  await journal.release(zombie.worker, zombie.lease)
  const lease = await journal.acquire(zombie.worker, zombie.group, 0)
  const owned = { ...zombie, journal, lease: lease! }
  const replay = await started(owned, { ramp: [1, 10, 100], maxErrors: 1, rate: 2_000 })
  let on = true
  const broken: string[] = []
  const owner = async () => {
    while ((await look(replay)).state !== 'done') {
      // As after a lost answer: the same call twice.
      await Promise.all([feed(owned, replay), feed(owned, replay)])
      await work(owned, ({ event }) => ({ state: event.seq % 9 === 0 ? parked : succeeded }))
    }
    on = false
  }
  const haunt = async () => {
    while (on) expect(await feed(zombie, replay)).toBe('lost')
  }
  const operate = async () => {
    while (on) {
      const open = (await runsOf(world, owned)).filter(({ state }) => state === parked || state === waiting)
      for (const { seq, gen, state } of open.slice(0, 20))
        await world.act({ flow: owned.flow.id, seq, gen, verb: state === parked ? 'skip' : 'retry' })
    }
  }
  const look2 = async () => {
    while (on) {
      broken.push(...(await world.violations()))
      await world.advance(20)
    }
  }
  await Promise.all([owner(), haunt(), operate(), look2()])
  for (let open = true; open;) {
    const left = (await runsOf(world, owned)).filter(({ state }) => state < succeeded)
    for (const { seq, gen, state } of left)
      if (state === parked) await world.act({ flow: owned.flow.id, seq, gen, verb: 'skip' })
    await work(owned)
    open = left.length > 0
  }
  expect(broken).toEqual([])
  expect(await outcomes(replay)).not.toContain(null)
  const again = (await runsOf(world, owned)).filter(({ gen }) => gen > 0)
  expect(again.map(({ seq, gen }) => [seq, gen])).toEqual(events.map(({ seq }) => [seq, 1]))
  expect(again.filter(({ state }) => state === running)).toEqual([])
  expect(await dueNow(owned)).toEqual([])
}, 60_000)

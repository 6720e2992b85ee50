import { expect, it } from 'vitest'
import type { ClaimedRun, Flush, Journal, RunRow } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { ContractContext, JournalUnderTest, Logged, Owned } from './journal-under-test.ts'
import {
  claimOf,
  done,
  dueNow,
  event,
  flushOf,
  lanesOf,
  ownedGroup,
  positionAt,
  publish,
  publishKeys,
  row,
  runsOf,
} from './journal-under-test.ts'

const { waiting, retrying, running, parked, succeeded, skipped } = runState

/** Owner, operators and a zombie at work on the same lanes. */
export function racesContract({ world, capabilities }: ContractContext): void {
  const seed = Number(process.env['BUSBAR_TEST_SEED'] ?? 1)
  it.skipIf(!capabilities.concurrent)(
    `A5: no lane is orphaned or stuck while an owner, two operators and a zombie are at work (seed ${seed})`,
    async () => {
      const race = await startRace(world(), seed)
      await Promise.all([readOn(race), slowOn(race), operate(race), operate(race), haunt(race), watch(race)])
      await drain(race)
      expect(race.violations).toEqual([])
      expect(await lanesOf(world(), race.owned)).toEqual([])
      const runs = await runsOf(world(), race.owned)
      expect(runs.map((run) => run.seq)).toEqual(race.events.map(({ seq }) => seq))
      expect(runs.filter((run) => run.state !== succeeded && run.state !== skipped)).toEqual([])
      expect(runs.filter((run) => race.ended.has(run.seq) && race.ended.get(run.seq) !== run.state)).toEqual(
        [],
      )
      expect(race.acts).toBeGreaterThan(100)
      expect(race.zombieCalls).toBeGreaterThan(10)
    },
    120_000,
  )

  it.skipIf(!capabilities.concurrent)(
    'A5: a lane that an operator empties while the owner adds to it is there for what was added',
    async () => {
      const owned = await ownedGroup(world())
      const events = await publishKeys(
        owned,
        Array.from({ length: 300 }, () => 'k'),
      )
      for (let index = 0; index + 2 < events.length; index += 3) {
        const [head, ...added] = events.slice(index, index + 3) as [Logged, Logged, Logged]
        await commit({ owned }, { runs: [row(owned, head, { state: parked })] })
        const skip = (seq: number) => world().act({ flow: owned.flow.id, seq, verb: 'skip' })
        await Promise.all([
          skip(head.seq),
          ...added.map((each) => commit({ owned }, { runs: [row(owned, each)] })),
          skip(added[0]?.seq),
        ])
        expect(await world().violations()).toEqual([])
        for (const { seq } of added) await skip(seq)
      }
      expect(await lanesOf(world(), owned)).toEqual([])
    },
  )

  it.skipIf(!capabilities.concurrent)(
    'an owner’s flush that moves its position and its claims do not block each other',
    async () => {
      const owned = await ownedGroup(world())
      const other = world().sessions[1] as Journal
      const events = await publishKeys(
        owned,
        Array.from({ length: 200 }, (_, index) => `k${index % 2}`),
      )
      for (let from = 0; from < events.length; from += 4) {
        const rows = events.slice(from, from + 4).map((each) => row(owned, each))
        const claimedTo = events[from]?.seq as number
        await Promise.all([
          commit({ owned }, { runs: rows.toReversed(), positions: [], claimedTo }),
          other.claim(claimOf(owned, ['k0', 'k1'], { maxRuns: 1 })),
          commit({ owned }, { runs: rows.slice(0, 2) }),
        ])
      }
      expect(await world().violations()).toEqual([])
    },
  )
}

interface Race {
  readonly world: JournalUnderTest
  readonly owned: Owned
  readonly zombie: Owned
  readonly events: readonly Logged[]
  readonly random: () => number
  /** Runs that had a row for an operator to act on. */
  readonly candidates: number[]
  readonly violations: string[]
  /** Final states that were seen on the way: they must stay. */
  readonly ended: Map<number, number>
  readHead: number
  reading: boolean
  acts: number
  zombieCalls: number
}

const eventCount = 1_500
const keyCount = 8

async function startRace(world: JournalUnderTest, seed: number): Promise<Race> {
  const zombie = await ownedGroup(world, { session: 1 })
  const journal = world.sessions[0] as Journal
  await journal.release(zombie.worker, zombie.lease)
  const lease = await journal.acquire(zombie.worker, zombie.group, 0)
  const random = mulberry32(seed)
  const events: Logged[] = []
  while (events.length < eventCount)
    events.push(
      ...(await publish(
        journal,
        Array.from({ length: 250 }, () =>
          event({ type: zombie.type, key: `k${Math.floor(random() * keyCount)}` }),
        ),
      )),
    )
  const owned = { ...zombie, journal, lease: lease! }
  const counters = { readHead: 0, reading: true, acts: 0, zombieCalls: 0 }
  return {
    world,
    owned,
    zombie,
    events,
    random,
    candidates: [],
    violations: [],
    ended: new Map(),
    ...counters,
  }
}

/** A small seeded generator: every run of one seed asks for the same things. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The owner's fast path: what is not slow ends or gets its row, the rest queues up behind. */
async function readOn(race: Race): Promise<void> {
  const { owned, events, random } = race
  for (let from = 0; from < events.length;) {
    const batch = events.slice(from, from + 1 + Math.floor(random() * 20))
    const slow = new Set(
      await owned.journal.slowKeys(owned.group, [...new Set(batch.map(({ key }) => key as string))]),
    )
    const outcomes = { done: [] as Flush['done'][number][], runs: [] as RunRow[] }
    for (const each of batch) readOne(race, { each, slow, outcomes })
    from += batch.length
    const position = batch.at(-1)?.seq as number
    await commit(race, { ...outcomes, positions: positionAt(owned, position), claimedTo: position })
    race.readHead = from
    await finish(
      race,
      outcomes.runs.filter((run) => run.state === running),
    )
  }
  race.reading = false
}

function readOne(
  race: Race,
  {
    each,
    slow,
    outcomes,
  }: { each: Logged; slow: Set<string>; outcomes: { done: Flush['done'][number][]; runs: RunRow[] } },
): void {
  const { owned, random } = race
  const key = each.key as string
  const chance = random()
  if (!slow.has(key) && chance < 0.6) outcomes.done.push(done(owned, each))
  else if (slow.has(key)) outcomes.runs.push(row(owned, each))
  else {
    const fate = chance < 0.8 ? parked : chance < 0.9 ? running : retrying
    outcomes.runs.push(row(owned, each, { state: fate, ...(fate === retrying && { nextInMs: chance * 3 }) }))
    slow.add(key)
  }
  if (outcomes.runs.at(-1)?.seq === each.seq) race.candidates.push(each.seq)
}

/** What took longer than a second has its row first, and its outcome now. */
async function finish(race: Race, rows: readonly RunRow[]): Promise<void> {
  if (rows.length === 0) return
  await commit(race, {
    runs: rows.map((run) => ({ ...run, state: race.random() < 0.7 ? succeeded : parked })),
  })
}

async function commit({ owned }: Pick<Race, 'owned'>, flush: Partial<Flush>): Promise<void> {
  expect(await owned.journal.flush(flushOf(owned, flush))).toBe('ok')
}

/** The owner's slow path: takes what is due, for as long as there is something to come. */
async function slowOn(race: Race): Promise<void> {
  while (race.reading) await slowRound(race)
}

async function slowRound(race: Race): Promise<number> {
  const { owned, random } = race
  const keys = await dueNow(owned, 4)
  const claimed = await owned.journal.claim(claimOf(owned, keys, { maxRuns: 1 + Math.floor(random() * 4) }))
  expect(claimed).not.toBe('lost')
  const rows = outcomesOf(race, claimed as readonly ClaimedRun[])
  const cut = Math.floor(random() * rows.length)
  for (const runs of [rows.slice(0, cut), rows.slice(cut)]) if (runs.length > 0) await commit(race, { runs })
  return keys.length
}

/** Each lane in order, up to the first that fails; what is behind it goes back. */
function outcomesOf({ owned, random }: Race, claimed: readonly ClaimedRun[]): RunRow[] {
  const failed = new Set<string>()
  return claimed.map(({ event: of, key, tries }) => {
    if (failed.has(key)) return row(owned, of, { state: waiting, tries })
    const chance = random()
    if (chance < 0.8) return row(owned, of, { state: succeeded, tries: tries + 1 })
    failed.add(key)
    if (chance < 0.9) return row(owned, of, { state: retrying, nextInMs: chance * 3, tries: tries + 1 })
    return row(owned, of, { state: parked, holds: chance < 0.97, tries: tries + 1 })
  })
}

/** An operator who retries and skips whatever has a row, mostly what is new. */
async function operate(race: Race): Promise<void> {
  const { world, owned, candidates, random } = race
  while (race.reading) {
    const back = Math.floor(random() ** 2 * Math.min(candidates.length, 120))
    const seq = candidates.at(-1 - back)
    if (seq === undefined) await world.advance(1)
    else {
      const { result } = await world.act({
        flow: owned.flow.id,
        seq,
        verb: random() < 0.5 ? 'skip' : 'retry',
      })
      if (result === 'done') race.acts++
    }
  }
}

/** A stopped owner that has woken up: whatever it tries, its lease is lost. */
async function haunt(race: Race): Promise<void> {
  const { world, zombie, events, random } = race
  while (race.reading) {
    const some = events[Math.floor(random() * events.length)] as Logged
    const flush = flushOf(zombie, {
      done: [done(zombie, some)],
      runs: [row(zombie, some, { state: parked })],
      positions: positionAt(zombie, events.at(-1)?.seq as number),
      claimedTo: 1_000_000,
    })
    expect(await zombie.journal.flush(flush)).toBe('lost')
    expect(await zombie.journal.claim(claimOf(zombie, [some.key as string]))).toBe('lost')
    race.zombieCalls++
    await world.advance(5)
  }
}

/** Looks all the while: lanes and runs agree in every snapshot, not only at rest. */
async function watch(race: Race): Promise<void> {
  while (race.reading) {
    race.violations.push(...(await race.world.violations()))
    for (const { seq, state } of await runsOf(race.world, race.owned))
      if (state >= 10) race.ended.set(seq, state)
    await race.world.advance(20)
  }
}

/** The operators give up on what is parked, and the owner works off the rest. */
async function drain(race: Race): Promise<void> {
  const { world, owned } = race
  for (let round = 0; round < 2_000; round++) {
    const took = await slowRound(race)
    if (took > 0) continue
    const open = (await runsOf(world, owned)).filter((run) => run.state < 10)
    if (open.length === 0) return
    for (const { seq } of open.filter((run) => run.state === parked))
      await world.act({ flow: owned.flow.id, seq, verb: 'skip' })
    await world.advance(1)
  }
  expect.fail('the lanes do not drain: something is stuck')
}

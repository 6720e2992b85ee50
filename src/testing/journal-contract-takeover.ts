import { expect, it } from 'vitest'
import type { GroupLease, Journal } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { ContractContext, JournalUnderTest, Owned } from './journal-under-test.ts'
import {
  done,
  dueNow,
  flushOf,
  groupOf,
  ownedGroup,
  positionAt,
  publishKeys,
  registered,
  row,
  runsOf,
  unique,
} from './journal-under-test.ts'

/** The promises of `Cluster` about workers that die: who takes over, what is freed, what is in doubt. */
export function takeoverContract(context: ContractContext): void {
  takeoverCases(context)
  suspectCases(context)
}

const { waiting, retrying, running, succeeded } = runState

function takeoverCases({ world, capabilities }: ContractContext): void {
  it('S7: a heartbeat keeps a worker alive and names those whose lease has run out', async () => {
    const [journal] = world().sessions as [Journal]
    const [quick, slow] = [unique('worker'), unique('worker')]
    await journal.join(quick, 1)
    await journal.join(slow, 60_000)
    await world().advance(10)
    const answer = await journal.heartbeat(slow, 60_000)
    expect(answer).toMatchObject({ expiredWorkers: expect.arrayContaining([quick]) as unknown })
    expect(answer).toMatchObject({ liveWorkers: expect.arrayContaining([slow]) as unknown })
    await journal.heartbeat(quick, 60_000)
    expect(await journal.takeover(quick)).toBe(false)
  })

  it('S7: one that drains is alive, but not among those that share the lane groups', async () => {
    const [journal] = world().sessions as [Journal]
    const [staying, leaving] = [unique('worker'), unique('worker')]
    for (const worker of [staying, leaving]) await journal.join(worker, 60_000)
    const answer = async () => await journal.heartbeat(staying, 60_000, { draining: false, attempts: 3 })
    await journal.heartbeat(leaving, 60_000, { draining: true, attempts: 1 })
    expect(await answer()).toMatchObject({
      liveWorkers: expect.not.arrayContaining([leaving]) as unknown,
      expiredWorkers: expect.not.arrayContaining([leaving]) as unknown,
    })
    expect(await journal.takeover(leaving)).toBe(false)
    await journal.heartbeat(leaving, 60_000)
    expect(await answer()).toMatchObject({
      liveWorkers: expect.arrayContaining([staying, leaving]) as unknown,
    })
  })

  it('S8: takes nobody over whose lease runs, nor anybody twice; the dead stay dead', async () => {
    const owned = await ownedGroup(world(), { leaseMs: 60_000 })
    expect(await owned.journal.takeover(owned.worker)).toBe(false)
    await owned.journal.heartbeat(owned.worker, 1)
    await world().advance(10)
    expect(await owned.journal.takeover(owned.worker)).toBe(true)
    expect(await owned.journal.takeover(owned.worker)).toBe(false)
    expect(await owned.journal.heartbeat(owned.worker, 60_000)).toBe('dead')
    expect(await groupOf(world(), owned)).toMatchObject({
      owner: null,
      epoch: owned.lease.epoch + 1,
      unclean: 1,
    })
    expect(await owned.journal.flush(flushOf(owned))).toBe('lost')
  })

  it.skipIf(!capabilities.concurrent)('S8: only one of several takes a dead worker over', async () => {
    const owned = await ownedGroup(world(), { leaseMs: 1 })
    await world().advance(10)
    const won = await Promise.all(world().sessions.map((journal) => journal.takeover(owned.worker)))
    expect(won.filter(Boolean)).toHaveLength(1)
    expect(await groupOf(world(), owned)).toMatchObject({ epoch: owned.lease.epoch + 1 })
  })

  it.skipIf(!capabilities.concurrent)(
    'a worker cannot get a group while it is being declared dead',
    async () => {
      for (let round = 0; round < 20; round++) {
        const [one, other] = world().sessions as [Journal, Journal]
        const { group } = await registered(one)
        const worker = unique('worker')
        await one.join(worker, 0)
        await world().advance(1)
        await Promise.all([one.takeover(worker), other.acquire(worker, group, 0)])
        expect(await groupOf(world(), { group })).toMatchObject({ owner: null })
      }
    },
  )

  it('frees the runs that were running, in doubt; only one inside the user’s code counts a crash', async () => {
    const owned = await ownedGroup(world(), { leaseMs: 1 })
    const events = await publishKeys(owned, ['a', 'a', 'b', 'c'])
    const [a1, a2, b, c] = events
    await owned.journal.flush(
      flushOf(owned, {
        runs: [
          row(owned, a1!, { state: running }),
          row(owned, a2!),
          row(owned, b!, { state: running, phase: 1, crashes: 1 }),
          row(owned, c!, { state: retrying, nextInMs: 60_000 }),
        ],
      }),
    )
    await world().advance(10)
    await owned.journal.takeover(owned.worker)
    const lease = (await world().snapshot()).workers.find((each) => each.id === owned.worker)
      ?.leaseUntil as number
    expect(await runsOf(world(), owned)).toMatchObject([
      { state: retrying, crashes: 0, maybeAt: lease },
      { state: waiting, maybeAt: null },
      { state: retrying, crashes: 2, phase: 0, maybeAt: lease },
      { state: retrying, maybeAt: null },
    ])
    expect([...(await dueNow(owned))].sort()).toEqual(['a', 'b'])
    expect(await world().violations()).toEqual([])
  })
}

/** The owner dies; another worker takes the group. */
async function successor(world: JournalUnderTest, owned: Owned, leaseMs = 60_000): Promise<Owned> {
  await owned.journal.heartbeat(owned.worker, 1)
  await world.advance(10)
  const worker = unique('worker')
  await owned.journal.join(worker, leaseMs)
  await owned.journal.takeover(owned.worker)
  return { ...owned, worker, lease: (await owned.journal.acquire(worker, owned.group, 0)) as GroupLease }
}

function suspectCases({ world }: ContractContext): void {
  it('A9: a takeover makes everything up to claimedTo suspect, since a little before the last flush', async () => {
    const owned = await ownedGroup(world())
    const before = (await world().snapshot()).at
    await owned.journal.flush(flushOf(owned, { claimedTo: 40 }))
    const after = (await world().snapshot()).at
    const next = await successor(world(), owned)
    const lease = (await world().snapshot()).workers.find((each) => each.id === owned.worker)?.leaseUntil
    expect(next.lease).toMatchObject({ claimedTo: 40, suspectTo: 40, suspectAt: lease, unclean: 1 })
    expect(next.lease.suspectSince).toBeGreaterThanOrEqual(before - 2_000)
    expect(next.lease.suspectSince).toBeLessThanOrEqual(after - 2_000)
  })

  it('A9: a flush that was gathered long before its commit dates the doubt from then', async () => {
    const owned = await ownedGroup(world())
    const gatheredAt = Math.floor((await world().snapshot()).at) - 60_000
    await owned.journal.flush(flushOf(owned, { claimedTo: 40, gatheredAt }))
    expect((await successor(world(), owned)).lease.suspectSince).toBe(gatheredAt - 2_000)
  })

  it('A9: the older doubt stays while it is unresolved, and ends with the flush that resolves it', async () => {
    const owned = await ownedGroup(world())
    await owned.journal.flush(flushOf(owned, { claimedTo: 40 }))
    const second = await successor(world(), owned)
    await second.journal.flush(flushOf(second, { claimedTo: 60 }))
    const third = await successor(world(), second)
    expect(third.lease).toMatchObject({ suspectTo: 60, suspectSince: second.lease.suspectSince, unclean: 2 })
    expect(third.lease.suspectAt).toBeGreaterThan(second.lease.suspectAt)
    await third.journal.flush(flushOf(third, { claimedTo: 70, suspectsResolved: true }))
    expect(await groupOf(world(), owned)).toMatchObject({ suspectTo: 0, unclean: 0, claimedTo: 70 })
    const fourth = await successor(world(), third)
    expect(fourth.lease).toMatchObject({ suspectTo: 70, unclean: 1 })
    expect(fourth.lease.suspectSince).toBeGreaterThan(second.lease.suspectSince)
  })

  it('A9: a doubt does not move back where the next owner ends whose lease had run out before', async () => {
    const owned = await ownedGroup(world())
    const { journal, group } = owned
    const [older, next] = [unique('worker'), unique('worker')]
    await journal.join(older, 1)
    const [a] = await publishKeys(owned, ['a'])
    const runs = [row(owned, a!, { state: running })]
    await journal.flush(flushOf(owned, { runs, claimedTo: 40 }))
    await journal.heartbeat(owned.worker, 20)
    await world().advance(30)
    await journal.takeover(owned.worker)
    const lease = (await world().snapshot()).workers.find((each) => each.id === owned.worker)?.leaseUntil
    const between = { ...owned, lease: (await journal.acquire(older, group, 0)) as GroupLease }
    const claim = { group, part: 0, epoch: between.lease.epoch, keys: ['a'], maxRuns: 1, maxBytes: 1_000 }
    expect(await journal.claim(claim)).toMatchObject([{ maybeAt: lease }])
    expect(await journal.takeover(older)).toBe(true)
    await journal.join(next, 60_000)
    expect(await journal.acquire(next, group, 0)).toMatchObject({ suspectTo: 40, suspectAt: lease })
    expect(await runsOf(world(), owned)).toMatchObject([{ state: retrying, maybeAt: lease }])
  })

  it('A9: what the dead owner had committed is known, and its position is where the next one starts', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const progress = { positions: positionAt(owned, a!.seq), claimedTo: b!.seq }
    await owned.journal.flush(flushOf(owned, { done: [done(owned, a!)], ...progress }))
    const next = await successor(world(), owned)
    expect(next.lease.positions.get(owned.flow.id)).toBe(a!.seq)
    expect(next.lease.suspectTo).toBe(b!.seq)
    await next.journal.flush(flushOf(next, { done: [done(next, a!), done(next, b!)] }))
    expect(await runsOf(world(), owned)).toMatchObject([{ state: succeeded }, { state: succeeded }])
  })
}

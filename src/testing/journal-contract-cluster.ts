import { expect, it } from 'vitest'
import type { GroupLease, Journal, RegisteredFlow } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { ContractContext, JournalUnderTest, Owned } from './journal-under-test.ts'
import {
  done,
  dueNow,
  event,
  flushOf,
  groupOf,
  ownedGroup,
  positionAt,
  publish,
  publishKeys,
  registered,
  registration,
  row,
  runsOf,
  unique,
} from './journal-under-test.ts'

/** The promises of `Cluster`. */
export function clusterContract(context: ContractContext): void {
  registrationCases(context)
  leaseCases(context)
  takeoverCases(context)
  suspectCases(context)
}

const { waiting, retrying, running, succeeded } = runState

const first = ({ world }: ContractContext) => world().sessions[0] as Journal

/** The only answer of a registration of one flow. */
async function register(journal: Journal, flow: Parameters<typeof registration>[0]): Promise<RegisteredFlow> {
  return (await journal.registerFlows([registration(flow)]))[0] as RegisteredFlow
}

function registrationCases(context: ContractContext): void {
  it('A8: a new flow starts now, at the beginning, or at a moment, as it says', async () => {
    const journal = first(context)
    const before = await publish(journal, [event(), event()])
    const [stored] = await journal.get([before[1]!.seq])
    await context.world().advance(5)
    const [after] = await publish(journal, [event()])
    const start = async (at: 'now' | 'beginning' | { at: number }) => {
      const group = unique('group')
      return register(journal, { name: unique('flow'), group, types: ['test'], start: at })
    }
    expect(await start('now')).toMatchObject({
      version: 1,
      positions: [after!.seq],
      types: [{ after: after!.seq }],
    })
    expect(await start('beginning')).toMatchObject({ positions: [0], types: [{ type: 'test', after: 0 }] })
    const atMoment = await start({ at: stored!.receivedAt + 1 })
    expect(atMoment.positions).toEqual([after!.seq - 1])
  })

  it('A8: the same declaration again changes nothing', async () => {
    const journal = first(context)
    const flow = { name: unique('flow'), group: unique('group'), types: ['test'] }
    const one = await register(journal, flow)
    await publish(journal, [event()])
    expect(await register(journal, { ...flow, start: 'beginning' })).toEqual(one)
    expect((await journal.flowVersions()).get(one.id)).toBe(1)
  })

  it('A8: a type that is added counts from the head at its registration, the others as before', async () => {
    const journal = first(context)
    const flow = { name: unique('flow'), group: unique('group'), types: ['one'] }
    const old = await register(journal, flow)
    const [last] = await publish(journal, [event(), event()].slice(1))
    const newer = await register(journal, { ...flow, types: ['two', 'one'] })
    expect(newer).toMatchObject({
      id: old.id,
      version: 2,
      positions: old.positions,
      types: [
        { type: 'two', after: last!.seq },
        { type: 'one', after: old.types[0]?.after },
      ],
    })
    expect((await journal.flowVersions()).get(old.id)).toBe(2)
  })

  it('A8: a flow that is added to a group has a position of its own', async () => {
    const journal = first(context)
    const owned = await ownedGroup(context.world())
    const [a] = await publishKeys(owned, ['a'])
    const { group } = owned
    const added = await register(journal, {
      name: unique('flow'),
      group,
      types: [owned.type],
      start: 'beginning',
      ord: 1,
    })
    await journal.flush(
      flushOf(owned, { done: [done(owned, a!)], positions: positionAt(owned, a!.seq), claimedTo: a!.seq }),
    )
    await journal.release(owned.worker, owned.lease)
    const lease = await journal.acquire(owned.worker, group, 0)
    expect([...(lease as GroupLease).positions]).toEqual([
      [owned.flow.id, a!.seq],
      [added.id, 0],
    ])
  })

  it('A8: a flow with open runs does not move to another group', async () => {
    const owned = await ownedGroup(context.world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!)] }))
    const moved = { name: owned.flow.name, group: unique('group'), types: [owned.type] }
    await expect(register(owned.journal, moved)).rejects.toMatchObject({ code: 'config.conflict' })
    await owned.journal.flush(flushOf(owned, { runs: [] }))
  })

  it('gives a system one id for good', async () => {
    const journal = first(context)
    const name = unique('system')
    const ids = []
    for (const address of ['http://a', 'http://b'])
      ids.push((await journal.registerSystems([{ name, address }])).get(name))
    expect(ids[1]).toBe(ids[0])
    expect((await journal.states()).filter((system) => system.name === name)).toMatchObject([
      { breaker: 'closed' },
    ])
  })

  it.skipIf(!context.capabilities.concurrent)(
    'several deployments that start at once register one flow',
    async () => {
      const flow = { name: unique('flow'), group: unique('group'), types: ['test'] }
      const answers = await Promise.all(context.world().sessions.map((journal) => register(journal, flow)))
      expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
      expect(new Set(answers.map(({ version }) => version))).toEqual(new Set([1]))
    },
  )
}

function leaseCases({ world, capabilities }: ContractContext): void {
  it('a group has one owner; each owner has a higher epoch', async () => {
    const owned = await ownedGroup(world())
    const other = unique('worker')
    await owned.journal.join(other, 60_000)
    expect(await owned.journal.acquire(other, owned.group, 0)).toBeUndefined()
    await owned.journal.release(owned.worker, owned.lease)
    const lease = await owned.journal.acquire(other, owned.group, 0)
    expect(lease?.epoch).toBeGreaterThan(owned.lease.epoch)
    await owned.journal.release(owned.worker, owned.lease)
    expect(await groupOf(world(), owned)).toMatchObject({ owner: other, epoch: lease?.epoch })
  })

  it.skipIf(!capabilities.concurrent)('only one of several workers gets a free group', async () => {
    const { journal, group } = { journal: world().sessions[0]!, ...(await registered(world().sessions[0]!)) }
    const workers = world().sessions.map(() => unique('worker'))
    for (const worker of workers) await journal.join(worker, 60_000)
    const leases = await Promise.all(
      world().sessions.map((session, index) => session.acquire(workers[index]!, group, 0)),
    )
    expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1)
  })

  it('an acquire whose answer was lost can be repeated, with a new epoch', async () => {
    const owned = await ownedGroup(world())
    const again = await owned.journal.acquire(owned.worker, owned.group, 0)
    expect(again?.epoch).toBeGreaterThan(owned.lease.epoch)
    expect(await owned.journal.flush(flushOf(owned))).toBe('lost')
  })

  it('an acquire by a worker that has not joined, or is dead, gets nothing', async () => {
    const owned = await ownedGroup(world(), { leaseMs: 1 })
    await world().advance(10)
    expect(await world().sessions[0]!.takeover(owned.worker)).toBe(true)
    for (const worker of [owned.worker, unique('stranger')])
      expect(await owned.journal.acquire(worker, owned.group, 0)).toBeUndefined()
  })

  it('after a clean hand-over nothing is suspect', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { claimedTo: a!.seq }))
    await owned.journal.release(owned.worker, owned.lease)
    expect(await owned.journal.acquire(owned.worker, owned.group, 0)).toMatchObject({
      claimedTo: a!.seq,
      suspectTo: 0,
      unclean: 0,
    })
  })

  it('a worker that leaves is gone, and its permits with it', async () => {
    const owned = await ownedGroup(world())
    const { journal, worker, system } = owned
    const ask = { system, limit: 5, timeoutMs: 1_000 }
    expect(await journal.permits({ ...ask, worker, want: 5 })).toMatchObject({ granted: 5 })
    await journal.release(worker, owned.lease)
    await journal.leave(worker)
    expect(await journal.heartbeat(worker, 1_000)).toBe('dead')
    const other = unique('worker')
    await journal.join(other, 60_000)
    expect(await journal.permits({ ...ask, worker: other, want: 5 })).toMatchObject({ granted: 5 })
  })

  it('a worker that leaves without having released a group is taken over like a dead one', async () => {
    const owned = await ownedGroup(world(), { leaseMs: 1 })
    await owned.journal.flush(flushOf(owned, { claimedTo: 7 }))
    await owned.journal.leave(owned.worker)
    await world().advance(10)
    expect(await owned.journal.takeover(owned.worker)).toBe(true)
    expect(await groupOf(world(), owned)).toMatchObject({ owner: null, suspectTo: 7 })
  })

  it('shows every group with its owner, and whether it is paused', async () => {
    const owned = await ownedGroup(world())
    const mine = async () => (await owned.journal.groups()).filter((each) => each.group === owned.group)
    expect(await mine()).toEqual([{ group: owned.group, part: 0, owner: owned.worker, paused: false }])
  })
}

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

  it('frees the runs of the dead worker’s partition only', async (test) => {
    const { sql } = world()
    if (!sql) return test.skip('the port makes no second partition yet: it is inserted here by SQL')
    const owned = await ownedGroup(world(), { leaseMs: 1 })
    await sql('UPDATE lane_groups SET parts = 2 WHERE grp = $1', [owned.group])
    await sql('INSERT INTO lane_groups (grp, part, parts) VALUES ($1, 1, 2)', [owned.group])
    await owned.journal.join(unique('worker'), 60_000)
    const events = (await publishKeys(owned, ['a', 'b'])).map((each, khash) => ({ ...each, khash }))
    await owned.journal.flush(
      flushOf(owned, { runs: events.map((each) => row(owned, each, { state: running })) }),
    )
    await world().advance(10)
    await owned.journal.takeover(owned.worker)
    expect(await runsOf(world(), owned)).toMatchObject([{ state: retrying }, { state: running }])
    await sql('UPDATE runs SET state = 10 WHERE flow = $1', [owned.flow.id])
    await sql('DELETE FROM lanes WHERE grp = $1', [owned.group])
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

import { expect, it } from 'vitest'
import type { GroupLease, Journal, RegisteredFlow } from '../journal/port.ts'
import type { ContractContext } from './journal-under-test.ts'
import {
  done,
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
  unique,
} from './journal-under-test.ts'

/** The promises of `Cluster`. */
export function clusterContract(context: ContractContext): void {
  registrationCases(context)
  leaseCases(context)
}

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

  it('an acquire that lands after the partition has changed gets nothing, and ends no lease', async () => {
    const owned = await ownedGroup(world())
    const epoch = async () =>
      (await owned.journal.groups()).find(({ group }) => group === owned.group)?.epoch ?? -1
    expect(await epoch()).toBe(owned.lease.epoch)
    expect(await owned.journal.acquire(owned.worker, owned.group, 0, owned.lease.epoch - 1)).toBeUndefined()
    expect(await owned.journal.flush(flushOf(owned))).toBe('ok')
    await owned.journal.release(owned.worker, owned.lease)
    expect(await owned.journal.acquire(owned.worker, owned.group, 0, owned.lease.epoch)).toBeUndefined()
    expect(await owned.journal.acquire(owned.worker, owned.group, 0, await epoch())).toBeDefined()
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
    expect(await mine()).toEqual([
      {
        ...{ group: owned.group, part: 0, parts: 1, wanted: 1, owner: owned.worker },
        ...{ epoch: owned.lease.epoch, paused: false },
      },
    ])
  })
}

import { expect, it } from 'vitest'
import type { GroupLease, GroupState, Journal } from '../journal/port.ts'
import type { ContractContext, Logged, Owned } from './journal-under-test.ts'
import {
  done,
  dueNow,
  flushOf,
  lanesOf,
  positionAt,
  publishKeys,
  registered,
  registration,
  row,
  runsOf,
  unique,
} from './journal-under-test.ts'

/** The promises of `PartitionsJournal`, and of the others as far as a lane group has several partitions. */
export function partitionsContract(context: ContractContext): void {
  numberCases(context)
  mergeCases(context)
  raceCases(context)
}

type Partitioned = Pick<Owned, 'journal' | 'group' | 'type' | 'flow' | 'system'>

/** A lane group of so many partitions, all free. */
async function partitioned(journal: Journal, partitions: number): Promise<Partitioned> {
  const own = await registered(journal, 'arrival', partitions)
  return { journal, ...own }
}

/** The same flow, of a deployment with another number of partitions. */
async function registerAgain({ journal, group, type, flow }: Partitioned, partitions: number): Promise<void> {
  await journal.registerFlows([registration({ name: flow.name, group, types: [type], partitions })])
}

/** A worker that has joined, and this partition of its. */
async function owner(of: Partitioned, part: number, leaseMs = 60_000): Promise<Owned> {
  const worker = unique('worker')
  await of.journal.join(worker, leaseMs)
  return { ...of, worker, lease: (await of.journal.acquire(worker, of.group, part)) as GroupLease }
}

async function partsOf({ journal, group }: Partitioned): Promise<readonly GroupState[]> {
  return (await journal.groups()).filter((each) => each.group === group)
}

/** Two events, the first of an even hash and the second of an odd one. */
async function twoKeys(of: Owned): Promise<readonly [Logged, Logged]> {
  const events = await publishKeys(
    of,
    ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => unique(letter)),
  )
  const even = events.find(({ khash }) => khash % 2 === 0)
  const odd = events.find(({ khash }) => khash % 2 === 1)
  if (!even || !odd) return twoKeys(of)
  return [even, odd]
}

function numberCases({ world }: ContractContext): void {
  const first = () => world().sessions[0] as Journal

  it('a registration makes all partitions of its group, and a position of the flow in each', async () => {
    const own = await partitioned(first(), 4)
    expect(await partsOf(own)).toEqual(
      [0, 1, 2, 3].map((part) => ({
        ...{ group: own.group, part, parts: 4, wanted: 4 },
        ...{ owner: null, epoch: 0, paused: false },
      })),
    )
    expect(own.flow.positions).toHaveLength(4)
    const { lease } = await owner(own, 3)
    expect(lease).toMatchObject({ part: 3, parts: 4 })
    expect([...lease.positions.keys()]).toEqual([own.flow.id])
  })

  it('the newest registration says how many there are to be; the version of the flow does not rise for it', async () => {
    const own = await partitioned(first(), 2)
    await registerAgain(own, 8)
    await registerAgain(own, 4)
    expect(await partsOf(own)).toMatchObject([
      { parts: 2, wanted: 4 },
      { parts: 2, wanted: 4 },
    ])
    expect((await own.journal.flowVersions()).get(own.flow.id)).toBe(1)
  })

  it('nobody begins with partitions that are to be others; who has one keeps it until it is given up', async () => {
    const own = await partitioned(first(), 2)
    const old = await owner(own, 0)
    await registerAgain(own, 1)
    expect((await owner(own, 1)).lease).toBeUndefined()
    expect(await old.journal.repartition(own.group)).toBe(false)
    const [a] = await twoKeys(old)
    expect(await old.journal.flush(flushOf(old, { done: [done(old, a)] }))).toBe('ok')
    await old.journal.release(old.worker, old.lease)
    expect(await old.journal.repartition(own.group)).toBe(true)
    expect(await old.journal.repartition(own.group)).toBe(false)
    expect((await owner(own, 0)).lease).toMatchObject({ part: 0, parts: 1 })
    expect((await owner(own, 1)).lease).toBeUndefined()
  })

  it('back to the number that is: nothing changes', async () => {
    const own = await partitioned(first(), 2)
    await registerAgain(own, 8)
    await registerAgain(own, 2)
    expect(await own.journal.repartition(own.group)).toBe(false)
    expect((await owner(own, 1)).lease).toMatchObject({ parts: 2, epoch: 1 })
  })

  it('a flow that joins a group of several partitions has a position in each, as has one that moves there', async () => {
    const [one, four] = [await partitioned(first(), 1), await partitioned(first(), 4)]
    const joins = { name: unique('flow'), group: four.group, types: ['test'], partitions: 4, ord: 1 }
    expect((await first().registerFlows([registration(joins)]))[0]?.positions).toHaveLength(4)
    const moves = { name: one.flow.name, group: four.group, types: [one.type], partitions: 4, ord: 2 }
    expect((await first().registerFlows([registration(moves)]))[0]?.positions).toEqual(
      [0, 1, 2, 3].map(() => one.flow.positions[0]),
    )
  })

  it('a flow that moves from several partitions to one goes on from its lowest position', async () => {
    const own = await partitioned(first(), 2)
    const even = await owner(own, 0)
    const [a, b] = await twoKeys(even)
    const last = Math.max(a.seq, b.seq)
    const flush = flushOf(even, { done: [done(even, a)], positions: positionAt(even, last), claimedTo: last })
    expect(await even.journal.flush(flush)).toBe('ok')
    const moves = { name: own.flow.name, group: unique('group'), types: [own.type] }
    const [moved] = await first().registerFlows([registration(moves)])
    expect(moved?.positions).toEqual([own.flow.positions[1]])
  })

  it('says which live workers would own partitions of what', async () => {
    const journal = first()
    const [told, silent, dead] = [unique('worker'), unique('worker'), unique('worker')]
    await journal.join(told, 60_000)
    await journal.join(silent, 60_000)
    await journal.join(dead, 1)
    await journal.serve(told, ['one', 'other'])
    await world().advance(10)
    const servers = await journal.servers()
    expect(servers.get(told)).toEqual(['one', 'other'])
    expect(servers.get(silent)).toBeNull()
    expect(servers.has(dead)).toBe(false)
    await journal.serve(told, [])
    expect((await journal.servers()).get(told)).toEqual([])
  })
}

function mergeCases({ world }: ContractContext): void {
  const first = () => world().sessions[0] as Journal

  it('C6: new partitions go on from the lowest position, above all claims and epochs, and what has a row is known', async () => {
    const own = await partitioned(first(), 2)
    const [even, odd] = [await owner(own, 0), await owner(own, 1)]
    const [a, b] = await twoKeys(even)
    const [low, high] = [Math.min(a.seq, b.seq), Math.max(a.seq, b.seq)]
    await even.journal.release(even.worker, even.lease)
    const again = await owner(own, 0)
    const to = (seq: number) => ({ positions: positionAt(own, seq), claimedTo: seq + 5 })
    await again.journal.flush(flushOf(again, { done: [done(own, a)], ...to(high) }))
    await odd.journal.flush(flushOf(odd, { done: [done(own, b)], ...to(low) }))
    for (const each of [again, odd]) await each.journal.release(each.worker, each.lease)
    await registerAgain(own, 4)
    expect(await own.journal.repartition(own.group)).toBe(true)
    for (const part of [0, 1, 2, 3]) {
      const { lease } = await owner(own, part)
      expect(lease).toMatchObject({ parts: 4, claimedTo: high + 5, suspectTo: 0, unclean: 0 })
      expect(lease.epoch).toBeGreaterThan(again.lease.epoch + 1)
      expect([...lease.positions]).toEqual([[own.flow.id, low]])
    }
    expect(await own.journal.existing([own.flow.id], low - 1, high)).toHaveLength(2)
    expect(await again.journal.flush(flushOf(again))).toBe('lost')
    expect(await odd.journal.flush(flushOf(odd))).toBe('lost')
  })

  it('A9: what a dead owner may have attempted stays in doubt in every new partition, from its earliest moment on', async () => {
    const own = await partitioned(first(), 2)
    const [even, odd] = [await owner(own, 0, 1), await owner(own, 1, 1)]
    const gatheredAt = Math.floor((await world().snapshot()).at) - 60_000
    await even.journal.flush(flushOf(even, { claimedTo: 40, gatheredAt }))
    await odd.journal.flush(flushOf(odd, { claimedTo: 70 }))
    await world().advance(10)
    await own.journal.takeover(even.worker)
    await world().advance(20)
    await own.journal.heartbeat(odd.worker, 1)
    await world().advance(10)
    await registerAgain(own, 4)
    expect(await own.journal.repartition(own.group)).toBe(false)
    await own.journal.takeover(odd.worker)
    expect(await own.journal.repartition(own.group)).toBe(true)
    const dead = (await world().snapshot()).workers.find(({ id }) => id === odd.worker)
    for (const part of [0, 1, 2, 3])
      expect((await owner(own, part)).lease).toMatchObject({
        ...{ claimedTo: 70, suspectTo: 70, suspectSince: gatheredAt - 2_000 },
        ...{ suspectAt: dead?.leaseUntil, unclean: 1 },
      })
  })

  it('a partition that is not in doubt does not clear the doubt of another', async () => {
    const own = await partitioned(first(), 4)
    const dying = await owner(own, 2, 1)
    await dying.journal.flush(flushOf(dying, { claimedTo: 9 }))
    await world().advance(10)
    await own.journal.takeover(dying.worker)
    await registerAgain(own, 1)
    expect(await own.journal.repartition(own.group)).toBe(true)
    expect((await owner(own, 0)).lease).toMatchObject({ parts: 1, suspectTo: 9, unclean: 1 })
  })

  it('a pause of the group stays', async () => {
    const own = await partitioned(first(), 1)
    await world().pause('group', own.group, true)
    await registerAgain(own, 2)
    expect(await own.journal.repartition(own.group)).toBe(true)
    expect((await partsOf(own)).map(({ paused }) => paused)).toEqual([true, true])
    await world().pause('group', own.group, false)
    expect((await partsOf(own)).map(({ paused }) => paused)).toEqual([false, false])
  })

  it('what waits in rows is due in the partition that its key belongs to, before and after', async () => {
    const own = await partitioned(first(), 1)
    const all = await owner(own, 0)
    const [a, b] = await twoKeys(all)
    await all.journal.flush(flushOf(all, { runs: [row(own, a), row(own, b)] }))
    expect(await dueNow(all)).toHaveLength(2)
    await all.journal.release(all.worker, all.lease)
    await registerAgain(own, 2)
    await own.journal.repartition(own.group)
    expect(await dueNow(await owner(own, 0))).toEqual([a.key])
    expect(await dueNow(await owner(own, 1))).toEqual([b.key])
    expect(await lanesOf(world(), own)).toHaveLength(2)
  })

  it('frees the runs of the dead worker’s partition only', async () => {
    const own = await partitioned(first(), 2)
    const [even, odd] = [await owner(own, 0, 1), await owner(own, 1)]
    const [a, b] = await twoKeys(even)
    await even.journal.flush(flushOf(even, { runs: [row(own, a, { state: 3 })] }))
    await odd.journal.flush(flushOf(odd, { runs: [row(own, b, { state: 3 })] }))
    await world().advance(10)
    await own.journal.takeover(even.worker)
    const states = new Map((await runsOf(world(), own)).map(({ seq, state }) => [seq, state]))
    expect([states.get(a.seq), states.get(b.seq)]).toEqual([2, 3])
    await odd.journal.flush(flushOf(odd, { runs: [row(own, b, { state: 10 })] }))
  })
}

function raceCases({ world, capabilities }: ContractContext): void {
  it.skipIf(!capabilities.concurrent)('of several that repartition at once, one does', async () => {
    const own = await partitioned(world().sessions[0] as Journal, 1)
    await registerAgain(own, 8)
    const done = await Promise.all(world().sessions.map((journal) => journal.repartition(own.group)))
    expect(done.filter(Boolean)).toHaveLength(1)
    expect(await partsOf(own)).toHaveLength(8)
  })

  it.skipIf(!capabilities.concurrent)(
    'pauses, acquires and changes of the number at once: no partition is left out, none has two kinds of siblings',
    async () => {
      const own = await partitioned(world().sessions[0] as Journal, 1)
      const worker = unique('worker')
      await own.journal.join(worker, 60_000)
      const counts = [2, 8, 4, 1, 16, 2]
      for (const [round, count] of counts.entries()) {
        const paused = round % 2 === 0
        await registerAgain(own, count)
        const [one, two, three, four] = world().sessions as [Journal, Journal, Journal, Journal]
        await Promise.all([
          one.repartition(own.group),
          two.acquire(worker, own.group, 0).then((lease) => lease && two.release(worker, lease)),
          world().pause('group', own.group, paused),
          three.acquire(worker, own.group, 1).then((lease) => lease && three.release(worker, lease)),
          four.repartition(own.group),
        ])
        await one.repartition(own.group)
        expect(await partsOf(own)).toEqual(
          Array.from({ length: count }, (_, part) => ({
            ...{ group: own.group, part, parts: count, wanted: count },
            ...{ owner: null, epoch: expect.any(Number) as number, paused },
          })),
        )
      }
    },
  )
}

import { expect, it } from 'vitest'
import type { LinkRow, LinkWait } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { LinkName } from '../journal/port-links.ts'
import type { ContractContext, JournalUnderTest, Logged, Owned } from './journal-under-test.ts'
import { claimOf, done, dueNow, flushOf, ownedGroup, publishKeys, row, unique } from './journal-under-test.ts'

/** The promises of `LinksJournal`: cross-references, their conflicts, and runs that wait for them. */
export function linksContract(context: ContractContext): void {
  givenCases(context)
  waitCases(context)
  personCases(context)
  raceCases(context)
}

const { waiting, parked, skipped } = runState

/** An object that no other case speaks of. */
function anObject(): LinkName {
  return { kind: 'customer', id: unique('C'), system: 'erp' }
}

/** A link as the step of a run gives it. */
function given({ flow }: Owned, { seq }: Logged, name: LinkName, external: string): LinkRow {
  return { flow: flow.id, seq, gen: 0, step: 'sale', ...name, external }
}

/** What is written of a run that begins to wait for these objects' ids. */
function waits(owned: Owned, run: Logged, names: readonly LinkName[]) {
  const linkWaits: LinkWait[] = names.map((name) => ({ key: run.key as string, ...name }))
  return { runs: [row(owned, run, { state: waiting, awaits: 'link', nextInMs: 600_000 })], linkWaits }
}

function release({ journal, lease }: Owned, limit = 100): Promise<number | 'lost'> {
  return journal.releaseLinked({ group: lease.group, part: lease.part, epoch: lease.epoch, limit })
}

function tidy({ journal, lease }: Owned): Promise<number | 'lost'> {
  return journal.tidyLinkWaits({ group: lease.group, part: lease.part, epoch: lease.epoch, limit: 100 })
}

async function linksOf(world: JournalUnderTest, { id }: LinkName): Promise<readonly string[]> {
  const all = await world.links.all()
  return all.filter((link) => link.id === id).map(({ external }) => external)
}

function givenCases({ world }: ContractContext): void {
  it('finds the id of an object, and the object of an id, in the order asked', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a] = await publishKeys(owned, ['a'])
    const [one, other, none] = [anObject(), anObject(), anObject()]
    const links = [given(owned, a!, one, `x-${one.id}`), given(owned, a!, other, `x-${other.id}`)]
    await journal.flush(flushOf(owned, { done: [done(owned, a!)], links }))
    expect(await journal.externalIds([other, none, one])).toEqual([`x-${other.id}`, null, `x-${one.id}`])
    const named = (external: string) => ({ kind: 'customer', system: 'erp', external })
    expect(await journal.canonicalIds([named('nobody'), named(`x-${one.id}`)])).toEqual([null, one.id])
    expect(await journal.canonicalIds([{ ...named(`x-${one.id}`), kind: 'order' }])).toEqual([null])
    expect(await journal.externalIds([])).toEqual([])
  })

  it('A21: a flush with links that is repeated changes nothing', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const object = anObject()
    const flush = flushOf(owned, { done: [done(owned, a!)], links: [given(owned, a!, object, object.id)] })
    await owned.journal.flush(flush)
    await owned.journal.flush(flush)
    expect(await linksOf(world(), object)).toEqual([object.id])
    expect((await world().links.conflicts()).filter(({ id }) => id === object.id)).toEqual([])
  })

  it('a flush whose lease is lost gives no link', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const object = anObject()
    const stale = { ...owned, lease: { ...owned.lease, epoch: owned.lease.epoch - 1 } }
    const links = [given(owned, a!, object, object.id)]
    expect(await owned.journal.flush(flushOf(stale, { done: [done(owned, a!)], links }))).toBe('lost')
    expect(await linksOf(world(), object)).toEqual([])
    expect(await release(stale)).toBe(0)
  })

  it('two ids for one object: the first stands, the second is a conflict and a problem, once', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const object = anObject()
    await journal.flush(flushOf(owned, { links: [given(owned, a!, object, `one-${object.id}`)] }))
    const second = flushOf(owned, { links: [given(owned, b!, object, `two-${object.id}`)] })
    expect(await journal.flush(second)).toBe('ok')
    expect(await journal.flush(second)).toBe('ok')
    expect(await linksOf(world(), object)).toEqual([`one-${object.id}`])
    expect((await world().links.conflicts()).filter(({ id }) => id === object.id)).toEqual([
      { ...object, external: `two-${object.id}`, heldExternal: `one-${object.id}`, heldId: null },
    ])
    const problems = (await world().snapshot()).problems.filter(({ code }) => code === 'link.conflict')
    expect(problems).toContainEqual(expect.objectContaining({ system: 'erp', state: 'open' }))
  })

  it('one id for two objects: the first keeps it, and the second gets no row for good', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const [one, other, third] = [anObject(), anObject(), anObject()]
    await journal.flush(flushOf(owned, { links: [given(owned, a!, one, one.id)] }))
    const links = [given(owned, b!, other, one.id), given(owned, b!, third, third.id)]
    expect(await journal.flush(flushOf(owned, { done: [done(owned, b!)], links }))).toBe('ok')
    expect(await linksOf(world(), one)).toEqual([one.id])
    expect(await linksOf(world(), other)).toEqual([])
    expect(await linksOf(world(), third)).toEqual([third.id])
    expect((await world().links.conflicts()).filter(({ id }) => id === other.id)).toEqual([
      { ...other, external: one.id, heldExternal: null, heldId: one.id },
    ])
  })

  it('conflicts within one flush are conflicts too', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const [one, other] = [anObject(), anObject()]
    const same = `x-${one.id}`
    const links = [
      given(owned, a!, one, same),
      given(owned, a!, one, same),
      given(owned, a!, one, `y-${one.id}`),
      given(owned, a!, other, same),
    ]
    expect(await owned.journal.flush(flushOf(owned, { links }))).toBe('ok')
    expect(await linksOf(world(), one)).toEqual([same])
    expect(await linksOf(world(), other)).toEqual([])
    const conflicts = await world().links.conflicts()
    expect(conflicts.filter(({ id }) => id === one.id || id === other.id)).toHaveLength(2)
  })

  it('an undone step takes back the links that it gave, and no others', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a] = await publishKeys(owned, ['a'])
    const [one, other, mine] = [anObject(), anObject(), anObject()]
    const links = [one, other, mine].map((object) => given(owned, a!, object, object.id))
    await journal.flush(flushOf(owned, { links: [links[0]!, { ...links[1]!, step: 'invoice' }, links[2]!] }))
    await world().links.set({ ...mine, external: `by-hand-${mine.id}`, replace: true })
    const undone = { flow: owned.flow.id, seq: a!.seq, gen: 0, step: 'sale', undone: true } as const
    await journal.flush(flushOf(owned, { links: [undone] }))
    await journal.flush(flushOf(owned, { links: [undone] }))
    expect(await linksOf(world(), one)).toEqual([])
    expect(await linksOf(world(), other)).toEqual([other.id])
    expect(await linksOf(world(), mine)).toEqual([`by-hand-${mine.id}`])
    const [b] = await publishKeys(owned, ['b'])
    await journal.flush(flushOf(owned, { links: [given(owned, b!, one, `again-${one.id}`)] }))
    expect(await linksOf(world(), one)).toEqual([`again-${one.id}`])
  })
}

function waitCases({ world }: ContractContext): void {
  it('A15: a run that waits is released when the link comes afterwards', async () => {
    const owned = await ownedGroup(world())
    const linker = await ownedGroup(world(), { session: 1 })
    const [order] = await publishKeys(owned, ['order'])
    const [customer] = await publishKeys(linker, ['customer'])
    const object = anObject()
    await owned.journal.flush(flushOf(owned, waits(owned, order!, [object])))
    expect(await release(owned)).toBe(0)
    expect(await dueNow(owned)).toEqual([])
    expect(await linksOf(world(), object)).toEqual([])
    await linker.journal.flush(flushOf(linker, { links: [given(linker, customer!, object, object.id)] }))
    expect(await release(linker)).toBe(0)
    expect(await release(owned)).toBe(1)
    expect(await dueNow(owned)).toEqual(['order'])
    expect(await owned.journal.claim(claimOf(owned, ['order']))).toHaveLength(1)
    expect(await world().links.waits(owned.group)).toEqual([])
    expect(await release(owned)).toBe(0)
    expect(await world().violations()).toEqual([])
  })

  it('A15: a run that begins to wait after the link came, unseen, is released', async () => {
    const owned = await ownedGroup(world())
    const linker = await ownedGroup(world(), { session: 1 })
    const [order] = await publishKeys(owned, ['order'])
    const [customer] = await publishKeys(linker, ['customer'])
    const object = anObject()
    expect(await owned.journal.externalIds([object])).toEqual([null])
    await linker.journal.flush(flushOf(linker, { links: [given(linker, customer!, object, object.id)] }))
    await owned.journal.flush(flushOf(owned, waits(owned, order!, [object])))
    expect(await dueNow(owned)).toEqual([])
    expect(await release(owned)).toBe(1)
    expect(await dueNow(owned)).toEqual(['order'])
  })

  it('A21: a repeated wait changes nothing, also when it was released meanwhile', async () => {
    const owned = await ownedGroup(world())
    const [order] = await publishKeys(owned, ['order'])
    const object = anObject()
    const wait = flushOf(owned, waits(owned, order!, [object, object]))
    await owned.journal.flush(wait)
    await owned.journal.flush(wait)
    expect(await world().links.waits(owned.group)).toHaveLength(1)
    await world().links.set({ ...object, external: object.id })
    expect(await release(owned)).toBe(1)
    expect(await owned.journal.flush(wait)).toBe('ok')
    expect(await release(owned)).toBe(1)
    expect(await dueNow(owned)).toEqual(['order'])
    expect(await linksOf(world(), object)).toEqual([object.id])
    expect(await world().links.waits(owned.group)).toEqual([])
  })

  it('one link releases all that wait for it, in every group, and nobody else', async () => {
    const [one, other, linker] = [
      await ownedGroup(world()),
      await ownedGroup(world(), { session: 1 }),
      await ownedGroup(world(), { session: 1 }),
    ]
    const [object, another] = [anObject(), anObject()]
    const keys = ['a', 'b', 'c']
    for (const owned of [one, other])
      for (const run of await publishKeys(owned, keys))
        await owned.journal.flush(
          flushOf(owned, waits(owned, run, run.key === 'c' ? [another] : [object, another])),
        )
    const [customer] = await publishKeys(linker, ['customer'])
    await linker.journal.flush(flushOf(linker, { links: [given(linker, customer!, object, object.id)] }))
    for (const owned of [one, other]) {
      expect(await release(owned, 1)).toBe(1)
      expect(await release(owned, 5)).toBe(1)
      expect(await release(owned)).toBe(0)
      expect([...(await dueNow(owned))].sort()).toEqual(['a', 'b'])
    }
    expect((await world().links.waits(one.group)).map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  })

  it('a wait survives its owner: the next one releases it, and the old one cannot', async () => {
    const owned = await ownedGroup(world())
    const [order] = await publishKeys(owned, ['order'])
    const object = anObject()
    await owned.journal.flush(flushOf(owned, waits(owned, order!, [object])))
    await world().links.set({ ...object, external: object.id })
    const lease = await owned.journal.acquire(owned.worker, owned.group, 0)
    expect(await release(owned)).toBe('lost')
    expect(await dueNow(owned)).toEqual([])
    expect(await release({ ...owned, lease: lease! })).toBe(1)
    expect(await dueNow(owned)).toEqual(['order'])
  })

  it('a parked run that waits for its compensation is not hurried by a link', async () => {
    const owned = await ownedGroup(world())
    const [order] = await publishKeys(owned, ['order'])
    const object = anObject()
    const { linkWaits } = waits(owned, order!, [object])
    const timed = row(owned, order!, { state: parked, awaits: 'timer', nextInMs: 600_000 })
    await owned.journal.flush(flushOf(owned, { runs: [timed], linkWaits }))
    await world().links.set({ ...object, external: object.id })
    expect(await release(owned)).toBe(1)
    expect(await dueNow(owned)).toEqual([])
  })

  it('forgets waits that are over, and the places that were held for their links', async () => {
    const owned = await ownedGroup(world())
    const [gone, stays] = await publishKeys(owned, ['gone', 'stays'])
    const [one, both] = [anObject(), anObject()]
    const before = await world().links.rows()
    await owned.journal.flush(flushOf(owned, waits(owned, gone!, [one, both])))
    await owned.journal.flush(flushOf(owned, waits(owned, stays!, [both])))
    expect(await tidy(owned)).toBe(0)
    expect(await world().links.rows()).toBe(before + 2)
    await world().act({ flow: owned.flow.id, seq: gone!.seq, verb: 'skip' })
    expect(await tidy(owned)).toBe(2)
    expect((await world().links.waits(owned.group)).map(({ key }) => key)).toEqual(['stays'])
    expect(await world().links.rows()).toBe(before + 1)
    await world().links.set({ ...both, external: both.id })
    expect(await release(owned)).toBe(1)
    expect(await dueNow(owned)).toEqual(['stays'])
    expect(await world().violations()).toEqual([])
  })

  it('a link for a run that has ended meanwhile releases nothing and leaves nothing behind', async () => {
    const owned = await ownedGroup(world())
    const [order] = await publishKeys(owned, ['order'])
    const object = anObject()
    await owned.journal.flush(flushOf(owned, waits(owned, order!, [object])))
    await world().act({ flow: owned.flow.id, seq: order!.seq, verb: 'skip' })
    await world().links.set({ ...object, external: object.id })
    await release(owned)
    expect(await world().links.waits(owned.group)).toEqual([])
    const { runs } = await world().snapshot()
    expect(runs.find((run) => run.seq === order!.seq)?.state).toBe(skipped)
    expect(await world().violations()).toEqual([])
  })
}

function personCases({ world }: ContractContext): void {
  it('a person sets an id, replaces it only when that is said, and never takes it from another object', async () => {
    const [object, other] = [anObject(), anObject()]
    const { links } = world()
    expect(await links.set({ ...object, external: object.id })).toBe('done')
    expect(await links.set({ ...object, external: object.id })).toBe('same')
    expect(await links.set({ ...object, external: `new-${object.id}` })).toBe('held')
    expect(await linksOf(world(), object)).toEqual([object.id])
    expect(await links.set({ ...object, external: `new-${object.id}`, replace: true })).toBe('done')
    expect(await links.set({ ...other, external: `new-${object.id}`, replace: true })).toBe('taken')
    expect(await linksOf(world(), object)).toEqual([`new-${object.id}`])
    expect(await linksOf(world(), other)).toEqual([])
    expect(await links.remove(object)).toBe(true)
    expect(await links.remove(object)).toBe(false)
    expect(await links.set({ ...other, external: `new-${object.id}` })).toBe('done')
  })

  it('what a person has changed, the step that gave it cannot bring back', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const [replaced, removed] = [anObject(), anObject()]
    const links = [given(owned, a!, replaced, replaced.id), given(owned, a!, removed, removed.id)]
    await owned.journal.flush(flushOf(owned, { links }))
    await world().links.set({ ...replaced, external: `new-${replaced.id}`, replace: true })
    await world().links.remove(removed)
    await owned.journal.flush(flushOf(owned, { links }))
    expect(await linksOf(world(), replaced)).toEqual([`new-${replaced.id}`])
    expect(await linksOf(world(), removed)).toEqual([])
    expect((await world().links.conflicts()).filter(({ id }) => id === replaced.id)).toEqual([])
  })

  it('setting the id ends the conflict about it', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const object = anObject()
    const openProblems = async () =>
      (await world().snapshot()).problems.filter(
        ({ code, state }) => code === 'link.conflict' && state === 'open',
      )
    const before = (await openProblems()).length
    await owned.journal.flush(flushOf(owned, { links: [given(owned, a!, object, `one-${object.id}`)] }))
    await owned.journal.flush(flushOf(owned, { links: [given(owned, b!, object, `two-${object.id}`)] }))
    expect((await openProblems()).length).toBe(before + 1)
    await world().links.set({ ...object, external: `two-${object.id}`, replace: true })
    expect((await openProblems()).length).toBe(before)
    expect((await world().links.conflicts()).filter(({ id }) => id === object.id)).toEqual([])
  })
}

function raceCases({ world, capabilities }: ContractContext): void {
  it.skipIf(!capabilities.concurrent)(
    'A15: six sessions link and wait at once: every wait is released, whoever commits first',
    async () => {
      const owners: Owned[] = []
      for (let session = 0; session < 6; session++) owners.push(await ownedGroup(world(), { session }))
      const waiters = owners.slice(0, 3)
      const linkers = owners.slice(3)
      const objects = Array.from({ length: 40 }, anObject)
      await Promise.all([
        ...waiters.map(async (owned) => {
          const keys = objects.map((_, index) => `order-${index}`)
          const runs = await publishKeys(owned, keys)
          for (const [index, run] of runs.entries()) {
            const names = [objects[index]!, objects[(index * 7 + 3) % objects.length]!]
            await owned.journal.flush(flushOf(owned, waits(owned, run, names)))
            if (index % 5 === 0) await release(owned)
          }
        }),
        ...linkers.map(async (owned, which) => {
          const runs = await publishKeys(
            owned,
            objects.map(({ id }) => id),
          )
          for (let from = 0; from < objects.length; from += 4) {
            const part = [from, from + 1, from + 2, from + 3].filter((index) => index % 3 === which)
            const links = part.map((index) => given(owned, runs[index]!, objects[index]!, objects[index]!.id))
            await owned.journal.flush(flushOf(owned, { links }))
          }
        }),
      ])
      for (const owned of waiters) {
        await release(owned)
        expect(await world().links.waits(owned.group)).toEqual([])
        expect(await dueNow(owned)).toHaveLength(objects.length)
      }
      expect(await world().violations()).toEqual([])
    },
    30_000,
  )

  it.skipIf(!capabilities.concurrent)(
    'six sessions give conflicting ids at once: one wins for each object and each id, and nobody waits for ever',
    async () => {
      const owners: Owned[] = []
      for (let session = 0; session < 6; session++) owners.push(await ownedGroup(world(), { session }))
      const runs = await Promise.all(owners.map((owned) => publishKeys(owned, ['a'])))
      const startedAt = world().now()
      for (let round = 0; round < 10; round++) {
        // Two sessions speak of the same objects, and all of the same ids, in an order of their own.
        const sets = [0, 1, 2].map(() => Array.from({ length: 12 }, anObject))
        const ids = sets[0]!.map(({ id }) => `x-${id}`)
        // Half of the objects are waited for, so that their rows are there already.
        const linkWaits = sets
          .flatMap((objects) => objects.slice(6))
          .map((object) => ({ key: 'a', ...object }))
        await owners[0]!.journal.flush(flushOf(owners[0]!, { linkWaits }))
        const all = owners.map((owned, which) =>
          sets[which % 3]!.map((object, index) =>
            given(owned, runs[which]![0]!, object, ids[(index * 5 + which * 2 + round) % ids.length]!),
          ),
        )
        const answers = await Promise.all(
          owners.map((owned, which) => owned.journal.flush(flushOf(owned, { links: all[which]! }))),
        )
        expect(new Set(answers)).toEqual(new Set(['ok']))
        const links = (await world().links.all()).filter(({ external }) => ids.includes(external))
        expect(links.map(({ external }) => external).sort()).toEqual([...ids].sort())
        expect(new Set(links.map(({ id }) => id)).size).toBe(links.length)
        const pair = ({ id, external }: { id: string; external: string }) => `${id} ${external}`
        const conflicts = (await world().links.conflicts()).filter(({ external }) => ids.includes(external))
        const told = [...links, ...conflicts].map(pair)
        expect(told.sort()).toEqual([...new Set(all.flat().map(pair))].sort())
      }
      // A circle of locks is broken by the database after a second, at the cost of one flush.
      expect(world().now() - startedAt).toBeLessThan(10_000)
    },
    30_000,
  )
}

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { GroupState } from '../journal/port.ts'
import { shareOut } from './share-out.ts'

type Servers = ReadonlyMap<string, readonly string[] | null>

function states(groups: Readonly<Record<string, readonly (string | null)[]>>): GroupState[] {
  return Object.entries(groups).flatMap(([group, owners]) =>
    owners.map((owner, part) => ({
      ...{ group, part, parts: owners.length, wanted: owners.length },
      ...{ owner, epoch: 1, paused: false },
    })),
  )
}

function all(workers: readonly string[], groups: readonly string[]): Servers {
  return new Map(workers.map((worker) => [worker, groups]))
}

/** What everybody does about it, who all have read the same. */
function round(before: readonly GroupState[], servers: Servers): GroupState[] {
  const owners = new Map(before.map((state) => [state, state.owner]))
  for (const [me, serves] of servers) {
    const { take, give } = shareOut({ me, states: before, servers, mine: new Set(serves) })
    for (const state of take) {
      expect(owners.get(state)).toBeNull()
      owners.set(state, me)
    }
    for (const to of give) {
      const movable = before.find(
        (state) => state.owner === me && owners.get(state) === me && servers.get(to)?.includes(state.group),
      )
      if (movable) owners.set(movable, null)
    }
  }
  return before.map((state) => ({ ...state, owner: owners.get(state) ?? null }))
}

function counts(after: readonly GroupState[], workers: Iterable<string>): number[] {
  return [...workers].map((worker) => after.filter(({ owner }) => owner === worker).length)
}

describe('shareOut', () => {
  it('of free partitions, each goes to one worker, and all have as many, whatever group they are of', () => {
    const servers = all(['a', 'b', 'c'], ['x', 'y', 'z'])
    const after = round(states({ x: [null, null, null, null], y: [null], z: [null] }), servers)
    expect(counts(after, servers.keys())).toEqual([2, 2, 2])
  })

  it('a worker that has come gets from those who have most', () => {
    const servers = all(['a', 'b', 'c'], ['x', 'y'])
    const before = states({ x: ['a', 'a', 'a', 'a'], y: ['b', 'b'] })
    const of = (me: string) => shareOut({ me, states: before, servers, mine: new Set(['x', 'y']) })
    expect(of('a').give).toEqual(['c', 'c'])
    expect(of('b').give).toEqual([])
    expect(of('c').receives).toBe(true)
  })

  it('leaves what differs by one as it is', () => {
    const servers = all(['a', 'b'], ['x'])
    const before = states({ x: ['a', 'a', 'a', 'b', 'b'] })
    for (const me of ['a', 'b'])
      expect(shareOut({ me, states: before, servers, mine: new Set(['x']) })).toEqual({
        ...{ take: [], give: [], receives: false },
      })
  })

  it('does not count on a worker that would not take it, nor on one that has died', () => {
    const servers: Servers = new Map([
      ['a', ['x', 'y']],
      ['b', ['y']],
    ])
    const before = states({ x: ['a', 'a', null], y: ['dead', null] })
    const of = (me: string) => shareOut({ me, states: before, servers, mine: new Set(servers.get(me) ?? []) })
    expect(of('a').take).toMatchObject([{ group: 'x', part: 2 }])
    expect(of('b').take).toMatchObject([{ group: 'y', part: 1 }])
    expect(of('a').give).toEqual([])
  })

  it('takes none of a group whose partitions are to be others', () => {
    const [one] = states({ x: [null] }) as [GroupState]
    const before = [{ ...one, wanted: 4 }]
    expect(
      shareOut({ me: 'a', states: before, servers: all(['a'], ['x']), mine: new Set(['x']) }).take,
    ).toEqual([])
  })

  it('from anywhere all is even after some rounds, nobody takes what another does, and then nothing moves', () => {
    const owner = fc.constantFrom(null, 'a', 'b', 'c', 'd')
    const groups = fc.dictionary(
      fc.constantFrom('x', 'y', 'z'),
      fc.array(owner, { minLength: 1, maxLength: 16 }),
      {
        minKeys: 1,
      },
    )
    fc.assert(
      fc.property(groups, fc.subarray(['a', 'b', 'c', 'd'], { minLength: 1 }), (table, workers) => {
        const servers = all(workers, Object.keys(table))
        // What others own, who are gone, is taken over first.
        let now = states(table).map((state) => ({
          ...state,
          owner: state.owner !== null && workers.includes(state.owner) ? state.owner : null,
        }))
        for (let turn = 0; turn < 12; turn++) now = round(now, servers)
        const has = counts(now, workers)
        expect(Math.max(...has) - Math.min(...has)).toBeLessThanOrEqual(1)
        expect(round(now, servers)).toEqual(now)
      }),
    )
  })
})

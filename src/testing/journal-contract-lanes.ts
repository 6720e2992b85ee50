import { expect, it } from 'vitest'
import type { RunRow } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { ContractContext } from './journal-under-test.ts'
import {
  claimOf,
  dueNow,
  flushOf,
  lanesOf,
  ownedGroup,
  publishKeys,
  row,
  runsOf,
  unique,
} from './journal-under-test.ts'

/** The promises of `OwnerJournal` about lanes: which of them are due, and what a claim takes. */
export function lanesContract(context: ContractContext): void {
  laneCases(context)
  claimCases(context)
}

const { waiting, retrying, running, parked, succeeded } = runState

function laneCases({ world }: ContractContext): void {
  /** Undefined: it may be due already, for the test may have been slow. */
  type Due = boolean | undefined
  const heads: readonly [what: string, head: Partial<RunRow>, now: Due, later: boolean][] = [
    ['waiting is due at once', { state: waiting }, true, true],
    ['retrying is due when its delay has passed', { state: retrying, nextInMs: 40 }, undefined, true],
    ['retrying is not due before', { state: retrying, nextInMs: 60_000 }, false, false],
    ['retrying without a delay is due at once', { state: retrying }, true, true],
    ['running is not due', { state: running }, false, false],
    ['parked is not due, and holds what is behind it', { state: parked }, false, false],
  ]
  for (const [what, head, now, later] of heads) {
    it(`a lane whose head is ${what}`, async () => {
      const owned = await ownedGroup(world())
      const [a, b] = await publishKeys(owned, ['a', 'a'])
      await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, head), row(owned, b!)] }))
      expect(await owned.journal.slowKeys(owned.group, ['a', 'b'])).toEqual(['a'])
      if (now !== undefined) expect(await dueNow(owned)).toEqual(now ? ['a'] : [])
      await world().advance(60)
      expect(await dueNow(owned)).toEqual(later ? ['a'] : [])
      await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: succeeded })] }))
      expect(await world().violations()).toEqual([])
    })
  }

  it('ends a lane with its last open run', async () => {
    const owned = await ownedGroup(world())
    const events = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(
      flushOf(owned, { runs: events.map((each) => row(owned, each, { state: running })) }),
    )
    for (const [index, each] of events.entries()) {
      expect(await owned.journal.hasSlowLanes(owned.group)).toBe(index < 2)
      await owned.journal.flush(flushOf(owned, { runs: [row(owned, each, { state: succeeded })] }))
    }
    expect(await lanesOf(world(), owned)).toEqual([])
  })

  it('has no lane for a parked run that lets the later ones continue', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked, holds: false })] }))
    expect(await owned.journal.slowKeys(owned.group, ['a'])).toEqual([])
    expect(await world().violations()).toEqual([])
  })

  it('a lane that is due keeps its turn while more runs queue up in it', async () => {
    const owned = await ownedGroup(world())
    const [a1, b, a2] = await publishKeys(owned, ['a', 'b', 'a'])
    for (const each of [a1!, b!, a2!]) {
      await owned.journal.flush(flushOf(owned, { runs: [row(owned, each)] }))
      await world().advance(2)
    }
    expect(await dueNow(owned)).toEqual(['a', 'b'])
    expect(await dueNow(owned, 1)).toEqual(['a'])
  })

  it('A7: a lane is polled only with the system that its head needs', async () => {
    const owned = await ownedGroup(world())
    const { journal, group } = owned
    const other = (await journal.registerSystems([{ name: unique('system'), address: '' }]))
      .values()
      .next().value!
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await journal.flush(flushOf(owned, { runs: [row(owned, a!), row(owned, b!, { system: other })] }))
    const query = { group, part: 0, parts: 1, limit: 10 }
    expect(await journal.due({ ...query, systems: [other] })).toEqual(['b'])
    expect(await journal.due({ ...query, systems: [] })).toEqual([])
    expect([...(await journal.due({ ...query, systems: [owned.system, other] }))].sort()).toEqual(['a', 'b'])
  })

  it('polls the lanes of one partition only', async () => {
    const owned = await ownedGroup(world())
    const events = (await publishKeys(owned, ['a', 'b', 'c', 'd'])).map((each, khash) => ({ ...each, khash }))
    await owned.journal.flush(flushOf(owned, { runs: events.map((each) => row(owned, each)) }))
    const due = (part: number) =>
      owned.journal.due({ group: owned.group, part, parts: 2, systems: [owned.system], limit: 10 })
    expect([...(await due(0))].sort()).toEqual(['a', 'c'])
    expect([...(await due(1))].sort()).toEqual(['b', 'd'])
  })
}

function claimCases({ world, capabilities }: ContractContext): void {
  const seqs = (
    claimed: 'lost' | readonly { readonly event: { readonly seq: number } }[],
  ): readonly unknown[] => (claimed === 'lost' ? [claimed] : claimed.map((run) => run.event.seq))

  it('takes the open runs of a lane in order, with their events, and makes them running', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'], '{"n":1}')
    const first = {
      maybeAt: 1_700_000_000_500,
      tries: 2,
      attempts: 3,
      throttles: 1,
      conflicts: 1,
      crashes: 1,
      firstAt: 1_700_000_000_000,
    }
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, b!), row(owned, a!, { ...first, state: retrying, nextInMs: 0 })] }),
    )
    const claimed = await owned.journal.claim(claimOf(owned, ['a']))
    const { seq, source, id, type, key, data, ext } = a!
    const lane = { flow: owned.flow.id, gen: 0, key: 'a' }
    expect(claimed).toMatchObject([
      { ...lane, ...first, lord: seq, event: { seq, source, id, type, key, data, ext } },
      { ...lane, maybeAt: null, firstAt: null, tries: 0, lord: b!.seq },
    ])
    expect(await runsOf(world(), owned)).toMatchObject([{ state: running }, { state: running }])
    expect(await dueNow(owned)).toEqual([])
  })

  it('takes at most so many runs of a lane, and the rest when those have ended', async () => {
    const owned = await ownedGroup(world())
    const events = await publishKeys(owned, ['a', 'a', 'a', 'b'])
    await owned.journal.flush(flushOf(owned, { runs: events.map((each) => row(owned, each)) }))
    const claim = () => owned.journal.claim(claimOf(owned, ['b', 'a'], { maxRuns: 2 }))
    const all = events.map(({ seq }) => seq)
    expect(seqs(await claim())).toEqual([all[0], all[1], all[3]])
    expect(seqs(await claim())).toEqual([])
    const ended = events.slice(0, 2).map((each) => row(owned, each, { state: succeeded }))
    await owned.journal.flush(flushOf(owned, { runs: ended }))
    expect(seqs(await claim())).toEqual([all[2]])
  })

  it('takes no more bytes of a lane than asked for, but at least one run', async () => {
    const owned = await ownedGroup(world())
    const huge = JSON.stringify('x'.repeat(1_000))
    const events = await publishKeys(owned, ['a', 'a', 'a', 'b'], huge)
    await owned.journal.flush(flushOf(owned, { runs: events.map((each) => row(owned, each)) }))
    const all = events.map(({ seq }) => seq)
    expect(seqs(await owned.journal.claim(claimOf(owned, ['a'], { maxBytes: 2_500 })))).toEqual(
      all.slice(0, 2),
    )
    expect(seqs(await owned.journal.claim(claimOf(owned, ['b'], { maxBytes: 10 })))).toEqual([all[3]])
  })

  it('takes nothing behind a parked run, nor behind one that is not due', async () => {
    const owned = await ownedGroup(world())
    const events = await publishKeys(owned, ['a', 'a', 'a', 'b', 'b'])
    const [a1, a2, a3, b1, b2] = events
    await owned.journal.flush(
      flushOf(owned, {
        runs: [
          row(owned, a1!),
          row(owned, a2!, { state: parked }),
          row(owned, a3!),
          row(owned, b1!),
          row(owned, b2!, { state: retrying, nextInMs: 60_000 }),
        ],
      }),
    )
    const claimed = await owned.journal.claim(claimOf(owned, ['a', 'b', 'no such lane']))
    expect(seqs(claimed)).toEqual([a1!.seq, b1!.seq])
  })

  it('takes nothing of a lane that is not due, even when asked', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const rows = [row(owned, a!, { state: retrying, nextInMs: 60_000 }), row(owned, b!, { state: parked })]
    await owned.journal.flush(flushOf(owned, { runs: rows }))
    expect(await owned.journal.claim(claimOf(owned, ['a', 'b']))).toEqual([])
  })

  it('takes nothing of a lane while one of its runs is running, even one that is not the head', async () => {
    const owned = await ownedGroup(world())
    const [a1, a2] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(
      flushOf(owned, {
        runs: [row(owned, a1!, { state: parked, holds: false }), row(owned, a2!, { state: running })],
      }),
    )
    await world().act({ flow: owned.flow.id, seq: a1!.seq, verb: 'retry' })
    expect(await dueNow(owned)).toEqual([])
    expect(await owned.journal.claim(claimOf(owned, ['a']))).toEqual([])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a2!, { state: succeeded })] }))
    expect(seqs(await owned.journal.claim(claimOf(owned, ['a'])))).toEqual([a1!.seq])
    expect(await world().violations()).toEqual([])
  })

  it('follows the lane order that a row gives, before the log’s', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, a!, { lord: b!.seq + 5 }), row(owned, b!)] }),
    )
    expect(seqs(await owned.journal.claim(claimOf(owned, ['a'])))).toEqual([b!.seq, a!.seq])
  })

  it.skipIf(!capabilities.concurrent)(
    'gives each run to one of several claims at the same time',
    async () => {
      const owned = await ownedGroup(world())
      const events = await publishKeys(
        owned,
        Array.from({ length: 60 }, (_, index) => `k${index % 20}`),
      )
      await owned.journal.flush(flushOf(owned, { runs: events.map((each) => row(owned, each)) }))
      const keys = [...new Set(events.map((each) => each.key as string))]
      const claims = await Promise.all(
        world().sessions.map((journal, index) =>
          journal.claim(claimOf(owned, index % 2 ? keys : keys.toReversed())),
        ),
      )
      expect(claims.flatMap((claimed) => seqs(claimed)).sort()).toEqual(events.map(({ seq }) => seq).sort())
    },
  )
}

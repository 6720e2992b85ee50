import { expect, it } from 'vitest'
import type { ClaimedRun, RunRow, SequenceRow } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { ContractContext, JournalUnderTest, Logged, Owned } from './journal-under-test.ts'
import {
  claimOf,
  done,
  dueNow,
  flushOf,
  lanesOf,
  ownedGroup,
  publishKeys,
  row,
  runsOf,
} from './journal-under-test.ts'

/** The promises of the journal about runs that follow each other by number, and about those of which only the newest counts. */
export function orderingContract(context: ContractContext): void {
  sequenceCases(context)
  gapCases(context)
  actCases(context)
  latestCases(context)
}

const { waiting, retrying, running, parked, succeeded, skipped, superseded } = runState
const longMs = 3_600_000

/** A run that waits at a gap, with its number. */
function atGap(owned: Owned, event: Logged, number: number, nextInMs = longMs) {
  return row(owned, event, { lord: number, state: waiting, awaits: 'gap', nextInMs, system: 0 })
}

function marks({ journal, group }: Owned, keys: readonly string[]): Promise<readonly SequenceRow[]> {
  return journal.sequences(group, keys)
}

/** All that is due, also what waits for no system. */
function due(owned: Owned): Promise<readonly string[]> {
  const { group, part, parts } = owned.lease
  return owned.journal.due({ group, part, parts, systems: [0, owned.system], limit: 100 })
}

async function claim(owned: Owned, key: string): Promise<readonly ClaimedRun[]> {
  const claimed = await owned.journal.claim(claimOf(owned, [key]))
  return claimed === 'lost' ? expect.unreachable('the lease was lost') : claimed
}

const sequence = { ordering: 'sequence' }

function sequenceCases({ world }: ContractContext): void {
  it('keeps how far each key has come, never back, whatever is repeated', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const flush = flushOf(owned, {
      done: [done(owned, a!), done(owned, b!)],
      sequences: [
        { key: 'a', last: 5, seq: a!.seq },
        { key: 'b', last: 1, seq: b!.seq },
      ],
    })
    await owned.journal.flush(flush)
    await owned.journal.flush(flushOf(owned, { sequences: [{ key: 'a', last: 4, seq: b!.seq }] }))
    await owned.journal.flush(flushOf(owned, { sequences: [{ key: 'b', last: 2, seq: a!.seq }] }))
    await owned.journal.flush(flush)
    const rows = [...(await marks(owned, ['a', 'b', 'unknown']))].sort((one, other) => one.last - other.last)
    expect(rows).toEqual([
      { key: 'b', last: 2, seq: a!.seq },
      { key: 'a', last: 5, seq: a!.seq },
    ])
  })

  it('groups do not share their sequences, and a passed epoch writes none', async () => {
    const owned = await ownedGroup(world(), sequence)
    const other = await ownedGroup(world(), sequence)
    await owned.journal.flush(flushOf(owned, { sequences: [{ key: 'a', last: 1, seq: 0 }] }))
    const stale = { ...flushOf(owned, { sequences: [{ key: 'a', last: 9, seq: 0 }] }), epoch: 0 }
    expect(await owned.journal.flush(stale)).toBe('lost')
    expect(await marks(owned, ['a'])).toMatchObject([{ last: 1 }])
    expect(await marks(other, ['a'])).toEqual([])
  })

  it('the place of a run may become known when it is claimed', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [x, y] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(
      flushOf(owned, {
        runs: [
          row(owned, x!, { state: parked, holds: false, code: 'sequence.missing' }),
          atGap(owned, y!, 2),
        ],
      }),
    )
    await world().act({ flow: owned.flow.id, seq: x!.seq, verb: 'retry' })
    // Before its number is known it stands where the log has it: behind.
    expect(await due(owned)).toEqual([])
    await world().act({ flow: owned.flow.id, seq: y!.seq, verb: 'retry' })
    await claim(owned, 'a')
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, x!, { lord: 1 }), row(owned, y!, { lord: 2 })] }),
    )
    expect((await claim(owned, 'a')).map(({ lord }) => lord)).toEqual([1, 2])
  })
}

function gapCases({ world }: ContractContext): void {
  it('a run at a gap is due when the number before its own is dealt with, and claimed with how far its key has come', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [second, first] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [atGap(owned, second!, 2)] }))
    expect(await due(owned)).toEqual([])
    expect(await lanesOf(world(), owned)).toMatchObject([{ awaits: 'gap' }])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, first!, { lord: 1 })] }))
    expect(await claim(owned, 'a')).toMatchObject([{ lord: 1, awaits: null, sequence: null }])
    await owned.journal.flush(
      flushOf(owned, {
        runs: [row(owned, first!, { lord: 1, state: succeeded })],
        sequences: [{ key: 'a', last: 1, seq: first!.seq }],
      }),
    )
    expect(await due(owned)).toEqual(['a'])
    expect(await claim(owned, 'a')).toMatchObject([
      { lord: 2, awaits: 'gap', sequence: { last: 1, seq: first!.seq } },
    ])
  })

  it('whatever moves the sequence frees what waits at its place, also without a row of that lane', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await owned.journal.flush(flushOf(owned, { runs: [atGap(owned, a!, 5), atGap(owned, b!, 5)] }))
    const moved = [
      { key: 'a', last: 4, seq: 0 },
      { key: 'b', last: 3, seq: 0 },
    ]
    await owned.journal.flush(flushOf(owned, { sequences: moved }))
    expect(await due(owned)).toEqual(['a'])
  })

  it('one that is written as waiting although its turn has come is due at once', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { sequences: [{ key: 'a', last: 6, seq: 0 }] }))
    await owned.journal.flush(flushOf(owned, { runs: [atGap(owned, a!, 7)] }))
    expect(await due(owned)).toEqual(['a'])
  })

  it('one that was parked for want of numbers is freed by them, too', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [a] = await publishKeys(owned, ['a'])
    const run = row(owned, a!, { lord: 3, state: parked, awaits: 'gap', system: 0, code: 'sequence.gap' })
    await owned.journal.flush(flushOf(owned, { runs: [run] }))
    expect(await due(owned)).toEqual([])
    await owned.journal.flush(flushOf(owned, { sequences: [{ key: 'a', last: 2, seq: 0 }] }))
    expect(await claim(owned, 'a')).toMatchObject([{ lord: 3, awaits: 'gap' }])
  })

  it('a takeover leaves the gap known, and says that it was attempted from its claim on', async () => {
    const owned = await ownedGroup(world(), { ...sequence, leaseMs: 100 })
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [atGap(owned, a!, 2, 0)] }))
    expect(await claim(owned, 'a')).toMatchObject([{ awaits: 'gap', firstAt: null }])
    const at = (await world().snapshot()).at
    await world().advance(300)
    const next = await ownedGroup(world(), sequence)
    expect(await next.journal.takeover(owned.worker)).toBe(true)
    const lease = await next.journal.acquire(next.worker, owned.group, 0)
    const [freed] = await claim({ ...owned, lease: lease! }, 'a')
    expect(freed).toMatchObject({ awaits: 'gap', lord: 2 })
    expect(freed?.firstAt).toBeLessThanOrEqual(at + 50)
  })
}

function actCases({ world }: ContractContext): void {
  const gapped = async (state: 1 | 4) => {
    const owned = await ownedGroup(world(), sequence)
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    const head = { ...atGap(owned, a!, 3), state, nextInMs: state === waiting ? longMs : null }
    await owned.journal.flush(flushOf(owned, { runs: [head, row(owned, b!, { lord: 4 })] }))
    return { owned, a: a!, b: b! }
  }

  it.each([waiting, parked] as const)(
    'a retry in state %i at a gap passes over what is missing',
    async (state) => {
      const { owned, a } = await gapped(state)
      const act = { flow: owned.flow.id, seq: a.seq, verb: 'retry' } as const
      expect(await world().act(act)).toMatchObject({ result: 'done', after: retrying })
      expect(await marks(owned, ['a'])).toEqual([{ key: 'a', last: 2, seq: 0 }])
      expect(await claim(owned, 'a')).toMatchObject([{ lord: 3, awaits: null }, { lord: 4 }])
    },
  )

  it('a run that is skipped at a gap counts as dealt with', async () => {
    const { owned, a } = await gapped(parked)
    await world().act({ flow: owned.flow.id, seq: a.seq, verb: 'skip' })
    expect(await marks(owned, ['a'])).toEqual([{ key: 'a', last: 3, seq: a.seq }])
    expect(await claim(owned, 'a')).toMatchObject([{ lord: 4 }])
  })

  it('one that is skipped before its turn counts when its turn comes, and not earlier', async () => {
    const { owned, a, b } = await gapped(waiting)
    const [c] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [atGap(owned, c!, 5)] }))
    await world().act({ flow: owned.flow.id, seq: b.seq, verb: 'skip' })
    await owned.journal.flush(flushOf(owned, { sequences: [{ key: 'a', last: 2, seq: 0 }] }))
    expect(await claim(owned, 'a')).toMatchObject([{ lord: 3 }])
    expect(await marks(owned, ['a'])).toMatchObject([{ last: 2 }])
    await owned.journal.flush(
      flushOf(owned, {
        runs: [row(owned, a, { lord: 3, state: succeeded })],
        sequences: [{ key: 'a', last: 3, seq: a.seq }],
      }),
    )
    expect(await marks(owned, ['a'])).toEqual([{ key: 'a', last: 4, seq: 0 }])
    expect(await claim(owned, 'a')).toMatchObject([{ lord: 5 }])
  })

  it('one that has no number moves nothing when it is skipped', async () => {
    const owned = await ownedGroup(world(), sequence)
    const [a] = await publishKeys(owned, ['a'])
    const run = row(owned, a!, { state: parked, holds: false, code: 'sequence.missing' })
    await owned.journal.flush(flushOf(owned, { runs: [run] }))
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'skip' })
    expect(await marks(owned, ['a'])).toEqual([])
  })

  it('in other orders a skip has nothing to do with numbers', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked })] }))
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'skip' })
    expect(await marks(owned, ['a'])).toEqual([])
    expect(await runsOf(world(), owned)).toMatchObject([{ state: skipped }])
  })
}

function latestCases({ world }: ContractContext): void {
  const latest = { ordering: 'latest' }
  const settleMs = 60_000
  const states = async (under: JournalUnderTest, owned: Owned) =>
    (await runsOf(under, owned)).map(({ state }) => state)

  it.each([
    ['waiting', { state: waiting }],
    ['retrying', { state: retrying, nextInMs: longMs, tries: 2 }],
    ['parked', { state: parked, code: 'call.invalid', fp: 'f' }],
    ['retrying and landed', { state: retrying, nextInMs: longMs, maybeAt: 1_000 }],
    ['parked and landed', { state: parked, maybeAt: 1_000 }],
  ] as const)('a newer snapshot ends one that is %s', async (_, change) => {
    const owned = await ownedGroup(world(), latest)
    const [old, newer] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, old!, { ...change, settleMs })] }))
    expect(await states(world(), owned)).toEqual([change.state])
    const flush = flushOf(owned, { runs: [row(owned, newer!, { settleMs })] })
    await owned.journal.flush(flush)
    await owned.journal.flush(flush)
    expect(await runsOf(world(), owned)).toMatchObject([
      { state: superseded, reason: `a newer snapshot, seq ${newer!.seq}, took its place` },
      { state: waiting },
    ])
    expect(await claim(owned, 'a')).toMatchObject([{ event: { seq: newer!.seq } }])
  })

  it('A19: one that may still land is not ended, and when it is parked it is due as soon as it has', async () => {
    const owned = await ownedGroup(world(), latest)
    const [old, newer] = await publishKeys(owned, ['a', 'a'])
    const inDoubt = row(owned, old!, { state: parked, maybeAt: (await world().snapshot()).at, settleMs: 500 })
    await owned.journal.flush(flushOf(owned, { runs: [inDoubt] }))
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, newer!, { settleMs: 500 })] }))
    expect(await states(world(), owned)).toEqual([parked, waiting])
    await world().advance(600)
    expect(await dueNow(owned)).toEqual(['a'])
    expect(await claim(owned, 'a')).toHaveLength(2)
    await owned.journal.flush(flushOf(owned, { runs: [inDoubt, row(owned, newer!, { settleMs: 500 })] }))
    expect(await states(world(), owned)).toEqual([superseded, waiting])
  })

  const claimLatest = (owned: Owned, more: Partial<Parameters<Owned['journal']['claim']>[0]> = {}) =>
    owned.journal.claim(claimOf(owned, ['a'], { latest: [{ flow: owned.flow.id, settleMs: 500 }], ...more }))
  const large = JSON.stringify('x'.repeat(40_000))
  const settles = { settleMs: 500 }

  const many = async (owned: Owned, change: Partial<RunRow>) => {
    const events = await publishKeys(
      owned,
      Array.from({ length: 40 }, () => 'a'),
      large,
    )
    await owned.journal.flush(flushOf(owned, { runs: events.map((each) => row(owned, each, change)) }))
    return events
  }

  it('A19: a claim ends the older of snapshots that have landed and takes the newest, however many and large they are', async () => {
    const owned = await ownedGroup(world(), latest)
    const events = await many(owned, { maybeAt: 1_000 })
    expect(await states(world(), owned)).toEqual(events.map(() => waiting))
    expect(await claimLatest(owned, { maxRuns: 1, maxBytes: 1 })).toMatchObject([
      { event: { seq: events.at(-1)!.seq }, maybeAt: 1_000 },
    ])
    expect(await states(world(), owned)).toEqual([...events.slice(1).map(() => superseded), running])
    expect(await world().violations()).toEqual([])
  })

  it('A19: a claim takes none that may still land while a newer one may have been sent', async () => {
    const owned = await ownedGroup(world(), latest)
    const events = await many(owned, { maybeAt: (await world().snapshot()).at + longMs })
    expect(await claimLatest(owned)).toEqual([])
    expect(await dueNow(owned)).toEqual([])
    expect(await lanesOf(world(), owned)).toMatchObject([{ awaits: 'settle' }])
    expect(await states(world(), owned)).toEqual(events.map(() => waiting))
    expect(await world().violations()).toEqual([])
  })

  it('A19: the lane is due as soon as they have landed, and the first that is taken is the newest', async () => {
    const owned = await ownedGroup(world(), latest)
    const events = await many(owned, { maybeAt: (await world().snapshot()).at })
    let claimed = await claimLatest(owned, { maxRuns: 1 })
    for (let round = 0; claimed.length === 0 && round < 50; round++) {
      await world().advance(50)
      if ((await dueNow(owned)).length > 0) claimed = await claimLatest(owned, { maxRuns: 1 })
    }
    expect(claimed).toMatchObject([{ event: { seq: events.at(-1)!.seq } }])
    expect(await states(world(), owned)).toEqual([...events.slice(1).map(() => superseded), running])
  })

  it('A19: one that may still land is taken while the newer was surely not sent, and so is one that is alone', async () => {
    const owned = await ownedGroup(world(), latest)
    const [old, newer] = await publishKeys(owned, ['a', 'a'])
    const maybeAt = (await world().snapshot()).at + longMs
    const inDoubt = row(owned, old!, { ...settles, state: retrying, maybeAt })
    await owned.journal.flush(flushOf(owned, { runs: [inDoubt, row(owned, newer!, settles)] }))
    expect(await claimLatest(owned, { maxRuns: 1 })).toMatchObject([{ event: { seq: old!.seq } }])
    await owned.journal.flush(flushOf(owned, { runs: [{ ...inDoubt, state: succeeded }] }))
    expect(await claimLatest(owned)).toMatchObject([{ event: { seq: newer!.seq } }])
  })

  it('A19: a claim that is repeated answers the same, and leaves what it does not know of alone', async () => {
    const owned = await ownedGroup(world(), latest)
    const events = await publishKeys(owned, ['a', 'a', 'a'])
    const runs = events.map((each) => row(owned, each, { maybeAt: 1_000 }))
    await owned.journal.flush(
      flushOf(owned, { runs: [...runs, row(owned, events[0]!, { gen: 1, lord: events[2]!.seq + 1 })] }),
    )
    const other = { latest: [{ flow: owned.flow.id + 1_000, settleMs: 0 }], maxRuns: 0 }
    expect(await claimLatest(owned, other)).toEqual([])
    expect((await states(world(), owned)).includes(superseded)).toBe(false)
    const first = await claimLatest(owned)
    expect(first).toMatchObject([{ gen: 0, event: { seq: events[2]!.seq } }, { gen: 1 }])
    expect(await claimLatest(owned, { again: true })).toEqual(first)
    expect(await claimLatest({ ...owned, lease: { ...owned.lease, epoch: 0 } })).toBe('lost')
  })

  it('what is an echo, or may be one, takes nobody’s place: not when it is written, and not in a claim', async () => {
    const owned = await ownedGroup(world(), latest)
    const [old, real, echo] = await publishKeys(owned, ['a', 'a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, old!, settles)] }))
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, echo!, { ...settles, echo: true })] }))
    expect(await states(world(), owned)).toEqual([waiting, waiting])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, real!, settles)] }))
    expect(await states(world(), owned)).toEqual([superseded, waiting, waiting])
    expect(await claimLatest(owned)).toMatchObject([
      { event: { seq: real!.seq } },
      { event: { seq: echo!.seq } },
    ])
    // It was none, as is known now.
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, real!, settles), row(owned, echo!, settles)] }),
    )
    expect(await states(world(), owned)).toEqual([superseded, superseded, waiting])
  })

  it('A19: one that is tried again in doubt, or is running, is left to end', async () => {
    const owned = await ownedGroup(world(), latest)
    const [a1, a2, b1, b2] = await publishKeys(owned, ['a', 'a', 'b', 'b'])
    const inDoubt = { state: retrying, nextInMs: longMs, maybeAt: (await world().snapshot()).at, settleMs }
    await owned.journal.flush(
      flushOf(owned, {
        runs: [row(owned, a1!, inDoubt), row(owned, b1!, { state: running, settleMs })],
      }),
    )
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, a2!, { settleMs }), row(owned, b2!, { settleMs })] }),
    )
    expect(await states(world(), owned)).toEqual([retrying, waiting, running, waiting])
  })

  it('other keys and other flows keep their own', async () => {
    const owned = await ownedGroup(world(), latest)
    const [a, b, c] = await publishKeys(owned, ['a', 'b', 'a'])
    const other = { ...owned, flow: { ...owned.flow, id: (await ownedGroup(world(), latest)).flow.id } }
    await owned.journal.flush(
      flushOf(owned, { runs: [row(other, a!, { settleMs }), row(owned, b!, { settleMs })] }),
    )
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, c!, { settleMs })] }))
    expect(await states(world(), owned)).toEqual([waiting, waiting])
    expect(await states(world(), other)).toEqual([waiting])
  })
}

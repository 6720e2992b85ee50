import { expect, it } from 'vitest'
import { runState } from '../journal/port.ts'
import type { ContractContext, Owned } from './journal-under-test.ts'
import {
  claimOf,
  done,
  flushOf,
  groupOf,
  lanesOf,
  ownedGroup,
  positionAt,
  publishKeys,
  row,
  runsOf,
  unique,
} from './journal-under-test.ts'

/** The promises of `OwnerJournal`. */
export function ownerContract(context: ContractContext): void {
  flushCases(context)
  repeatCases(context)
  fenceCases(context)
  positionCases(context)
  togetherCases(context)
}

const { retrying, running, parked, succeeded, skipped } = runState

function flushCases({ world }: ContractContext): void {
  it('writes one row for a plain success and no lane', async () => {
    const owned = await ownedGroup(world())
    const events = await publishKeys(owned, ['a', 'b'])
    expect(await owned.journal.flush(flushOf(owned, { done: events.map((each) => done(owned, each)) }))).toBe(
      'ok',
    )
    expect(await runsOf(world(), owned)).toMatchObject(events.map(({ seq }) => ({ seq, state: succeeded })))
    expect(await owned.journal.hasSlowLanes(owned.group)).toBe(false)
  })

  it('says which runs of a window have rows', async () => {
    const owned = await ownedGroup(world())
    const [a, b, c] = await publishKeys(owned, ['a', 'b', 'c'])
    await owned.journal.flush(
      flushOf(owned, { done: [done(owned, a!)], runs: [row(owned, c!, { state: parked })] }),
    )
    const existing = await owned.journal.existing([owned.flow.id, 9_999], a!.seq - 1, c!.seq)
    expect(existing.map(({ seq }) => seq).sort()).toEqual([a!.seq, c!.seq])
    expect(await owned.journal.existing([owned.flow.id], a!.seq, b!.seq)).toEqual([])
  })

  it('updates a row only while it is running', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, a!, { state: running }), row(owned, b!, { state: parked })] }),
    )
    const rows = [a!, b!].map((each) => row(owned, each, { state: succeeded, tries: 3 }))
    await owned.journal.flush(flushOf(owned, { runs: rows }))
    expect(await runsOf(world(), owned)).toMatchObject([
      { state: succeeded, tries: 3 },
      { state: parked, tries: 0 },
    ])
  })

  it('takes the last of several rows of one run', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const rows = [running, succeeded].map((state) => row(owned, a!, { state }))
    await owned.journal.flush(flushOf(owned, { runs: rows }))
    expect(await runsOf(world(), owned)).toMatchObject([{ state: succeeded }])
    expect(await lanesOf(world(), owned)).toEqual([])
  })

  it('records an attempt once, and a problem once however many runs of a flush have it', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const fp = unique('fp')
    const problem = { fp, system: 'erp', code: 'call.invalid', title: 'no tax code' }
    const attempt = {
      flow: owned.flow.id,
      seq: a!.seq,
      gen: 0,
      step: 's',
      no: 1,
      kind: 'send' as const,
      outcome: 'invalid',
    }
    const rest = {
      at: 1_700_000_000_000,
      ms: 5,
      status: 422,
      code: 'x',
      message: 'm',
      request: 'q',
      response: null,
    }
    const flush = flushOf(owned, {
      runs: [row(owned, a!, { state: parked, fp })],
      attempts: [{ ...attempt, ...rest }],
      problems: [problem, { ...problem, title: 'again' }],
    })
    for (const _ of [1, 2]) expect(await owned.journal.flush(flush)).toBe('ok')
    const { attempts, problems } = await world().snapshot()
    expect(attempts.filter((each) => each.flow === owned.flow.id)).toMatchObject([attempt])
    expect(problems.filter((each) => each.fp === fp)).toMatchObject([{ state: 'open', code: 'call.invalid' }])
  })

  it('commits nothing of a flush that the store refuses', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const flush = flushOf(owned, {
      done: [done(owned, a!)],
      runs: [row(owned, b!, { state: parked, message: 'nul\0' })],
      positions: positionAt(owned, b!.seq),
      claimedTo: b!.seq,
    })
    await expect(owned.journal.flush(flush)).rejects.toMatchObject({ code: 'event.invalid' })
    expect(await runsOf(world(), owned)).toEqual([])
    expect(await groupOf(world(), owned)).toMatchObject({ claimedTo: 0 })
  })
}

function repeatCases({ world }: ContractContext): void {
  it('A21: a flush that is sent twice changes nothing the second time', async () => {
    const owned = await ownedGroup(world())
    const events = await publishKeys(owned, ['a', 'b', 'b', 'c', 'd', 'e'])
    const [a, b1, b2, c, d, e] = events
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, e!, { state: running })] }))
    const flush = flushOf(owned, {
      done: [done(owned, a!)],
      runs: [
        row(owned, b1!, { state: retrying, nextInMs: 60_000, tries: 1 }),
        row(owned, b2!),
        row(owned, c!, { state: parked }),
        row(owned, d!),
        row(owned, e!, { state: succeeded }),
      ],
      positions: positionAt(owned, e!.seq),
      claimedTo: e!.seq,
    })
    const seen: unknown[] = []
    for (const _ of [1, 2, 3]) {
      expect(await owned.journal.flush(flush)).toBe('ok')
      seen.push([await runsOf(world(), owned), await lanesOf(world(), owned), await groupOf(world(), owned)])
    }
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
    expect(await world().violations()).toEqual([])
  })

  it('A21: a repeated flush does not undo what a person did in between', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: running })] }))
    const flush = flushOf(owned, { runs: [row(owned, a!, { state: parked, tries: 1 })] })
    await owned.journal.flush(flush)
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'skip' })
    await owned.journal.flush(flush)
    expect(await runsOf(world(), owned)).toMatchObject([{ state: skipped }])
    expect(await lanesOf(world(), owned)).toEqual([])
  })

  it('a claim whose answer was lost gives the same runs when it is repeated', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!), row(owned, b!)] }))
    const claim = claimOf(owned, ['a'])
    const lost = await owned.journal.claim(claim)
    expect(await owned.journal.claim(claim)).toEqual([])
    expect(await owned.journal.claim({ ...claim, again: true })).toEqual(lost)
    expect(lost).toHaveLength(2)
  })

  it('a claim that is repeated gives all that it took, whatever has come before that in its lane, and however little it asks for', async () => {
    const owned = await ownedGroup(world())
    const [a, b, c] = await publishKeys(owned, ['a', 'a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, b!), row(owned, c!)] }))
    const claim = claimOf(owned, ['a'], { maxRuns: 1, maxBytes: 1 })
    expect(await owned.journal.claim(claim)).toMatchObject([{ event: { seq: b!.seq } }])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!)] }))
    expect(await owned.journal.claim({ ...claim, again: true })).toMatchObject([
      { event: { seq: a!.seq } },
      { event: { seq: b!.seq } },
    ])
  })

  it('a flush that lands after its repetition changes nothing: what it takes back may have been claimed since', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const late = flushOf(owned, { runs: [row(owned, a!, { state: retrying, nextInMs: 0 })], no: 1 })
    expect(await owned.journal.flush({ ...late, no: 2, again: true })).toBe('ok')
    await owned.journal.claim({ ...claimOf(owned, ['a']), no: 1 })
    expect(await owned.journal.flush(late)).toBe('lost')
    expect(await runsOf(world(), owned)).toMatchObject([{ state: running }])
    const end = flushOf(owned, { runs: [row(owned, a!, { state: succeeded })], no: 3 })
    expect(await owned.journal.flush(end)).toBe('ok')
    expect(await runsOf(world(), owned)).toMatchObject([{ state: succeeded }])
  })

  it('a claim that lands after its repetition takes nothing: nobody would know of it', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!)], no: 1 }))
    const late = { ...claimOf(owned, ['a', 'b']), no: 1 }
    expect(await owned.journal.claim({ ...late, no: 2, again: true })).toHaveLength(1)
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, b!)], no: 2 }))
    expect(await owned.journal.claim(late)).toBe('lost')
    expect(await owned.journal.claim({ ...late, no: 3 })).toHaveLength(1)
    await owned.journal.flush(
      flushOf(owned, { runs: [a!, b!].map((each) => row(owned, each, { state: succeeded })), no: 3 }),
    )
  })

  it('flushes and claims are counted anew by each owner', async () => {
    const first = await ownedGroup(world())
    await first.journal.flush(flushOf(first, { no: 9, again: true }))
    await first.journal.claim({ ...claimOf(first, ['a']), no: 9, again: true })
    const lease = await first.journal.acquire(first.worker, first.group, 0)
    const second = { ...first, lease: lease! }
    expect(await second.journal.flush(flushOf(second, { no: 1 }))).toBe('ok')
    expect(await second.journal.claim({ ...claimOf(second, ['a']), no: 1 })).toEqual([])
  })
}

function fenceCases({ world }: ContractContext): void {
  it('A4: an owner whose epoch has passed writes and takes nothing more', async () => {
    const zombie = await ownedGroup(world())
    const { journal, worker } = zombie
    const [a, b, c] = await publishKeys(zombie, ['a', 'b', 'c'])
    await journal.flush(flushOf(zombie, { runs: [row(zombie, a!), row(zombie, b!, { state: running })] }))
    await journal.release(worker, zombie.lease)
    const before = [
      await runsOf(world(), zombie),
      await lanesOf(world(), zombie),
      await groupOf(world(), zombie),
    ]
    const late = flushOf(zombie, {
      done: [done(zombie, c!)],
      runs: [row(zombie, b!, { state: succeeded })],
      positions: positionAt(zombie, c!.seq),
      claimedTo: c!.seq,
    })
    expect(await journal.flush(late)).toBe('lost')
    expect(await journal.claim(claimOf(zombie, ['a', 'b']))).toBe('lost')
    const mark = {
      group: zombie.group,
      part: 0,
      epoch: zombie.lease.epoch,
      run: row(zombie, b!, { phase: 1 }),
    }
    expect(await journal.mark(mark)).toBe('lost')
    expect([
      await runsOf(world(), zombie),
      await lanesOf(world(), zombie),
      await groupOf(world(), zombie),
    ]).toEqual(before)
    const lease = await journal.acquire(worker, zombie.group, 0)
    await journal.flush(
      flushOf({ ...zombie, lease: lease! }, { runs: [row(zombie, b!, { state: succeeded })] }),
    )
  })

  it('A18: a flush that carries no position writes no new version of the row that fences it', async (test) => {
    const { sql } = world()
    if (!sql) return test.skip('only SQL has row versions')
    const owned = await ownedGroup(world())
    const version = () => sql('SELECT ctid::text, xmin::text FROM lane_groups WHERE grp = $1', [owned.group])
    const before = await version()
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await owned.journal.flush(flushOf(owned, { done: [done(owned, a!)], runs: [row(owned, b!)] }))
    await owned.journal.claim(claimOf(owned, ['b']))
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, b!, { state: succeeded })] }))
    expect(await version()).toEqual(before)
  })

  it('A11: remembers whether a run is inside the user’s code', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: running })] }))
    const { group, lease } = owned
    for (const phase of [1, 0]) {
      const run = row(owned, a!, { state: running, phase })
      expect(await owned.journal.mark({ group, part: 0, epoch: lease.epoch, run })).toBe('ok')
      expect(await runsOf(world(), owned)).toMatchObject([{ phase, state: running }])
    }
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: succeeded })] }))
  })
}

function positionCases({ world }: ContractContext): void {
  const position = async ({ flow }: Owned) =>
    (await world().snapshot()).positions.find((each) => each.flow === flow.id)?.position

  it('moves a position and claimedTo forward, never back', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const rows = [a!, b!].map((each) => done(owned, each))
    await owned.journal.flush(
      flushOf(owned, { done: rows, positions: positionAt(owned, b!.seq), claimedTo: b!.seq }),
    )
    await owned.journal.flush(flushOf(owned, { positions: positionAt(owned, a!.seq), claimedTo: a!.seq }))
    expect(await position(owned)).toBe(b!.seq)
    expect(await groupOf(world(), owned)).toMatchObject({ claimedTo: b!.seq })
  })

  it('leaves positions and claimedTo where no claimedTo is given', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    const before = await position(owned)
    await owned.journal.flush(
      flushOf(owned, { done: [done(owned, a!)], positions: positionAt(owned, a!.seq) }),
    )
    expect(await position(owned)).toBe(before)
    expect(await groupOf(world(), owned)).toMatchObject({ claimedTo: 0 })
  })

  it('A8: does not move the position of a flow version that is registered no more, but keeps the outcomes', async () => {
    const owned = await ownedGroup(world())
    const { name, group, ord } = owned.flow
    const [a] = await publishKeys(owned, ['a'])
    const newer = { name, group, ord, types: [owned.type, unique('type')] }
    await owned.journal.registerFlows([
      { ...newer, steps: [], ordering: 'arrival', onParked: 'hold', start: 'now' },
    ])
    const before = await position(owned)
    const flush = flushOf(owned, {
      done: [done(owned, a!)],
      positions: positionAt(owned, a!.seq),
      claimedTo: a!.seq,
    })
    expect(await owned.journal.flush(flush)).toBe('ok')
    expect(await position(owned)).toBe(before)
    expect(await runsOf(world(), owned)).toMatchObject([{ seq: a!.seq }])
  })
}

function togetherCases({ world }: ContractContext): void {
  it('writes what several groups have to say at once, each in its place', async () => {
    const [one, other] = [await ownedGroup(world()), await ownedGroup(world())]
    const [a, b] = await publishKeys(one, ['a', 'b'])
    const [c] = await publishKeys(other, ['c'])
    const flushes = [
      flushOf(other, { done: [done(other, c!)] }),
      flushOf(one, {
        done: [done(one, a!), done(one, b!)],
        positions: positionAt(one, b!.seq),
        claimedTo: b!.seq,
      }),
    ]
    expect(await one.journal.flushAll(flushes)).toBe('ok')
    expect(await one.journal.flushAll(flushes)).toBe('ok') // once more changes nothing
    expect((await runsOf(world(), one)).map(({ seq }) => seq)).toEqual([a!.seq, b!.seq])
    expect((await runsOf(world(), other)).map(({ seq }) => seq)).toEqual([c!.seq])
  })

  it.each([
    ['whose epoch has passed', { epoch: 99 }],
    ['whose call was counted and shut out', { no: 1 }],
  ])('writes nothing of several where there is one %s', async (_, change) => {
    const [one, other] = [await ownedGroup(world()), await ownedGroup(world())]
    const [a] = await publishKeys(one, ['a'])
    const [b] = await publishKeys(other, ['b'])
    expect(await other.journal.flush(flushOf(other, { no: 2, again: true }))).toBe('ok')
    const flushes = [
      flushOf(one, { done: [done(one, a!)] }),
      { ...flushOf(other, { done: [done(other, b!)] }), ...change },
    ]
    expect(await one.journal.flushAll(flushes)).toBe('lost')
    expect(await runsOf(world(), one)).toEqual([])
    expect(await runsOf(world(), other)).toEqual([])
    expect(await one.journal.flush(flushOf(one, { done: [done(one, a!)] }))).toBe('ok')
  })
}

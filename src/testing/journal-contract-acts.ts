import { expect, it } from 'vitest'
import { runState } from '../journal/port.ts'
import type { ContractContext } from './journal-under-test.ts'
import {
  claimOf,
  done,
  dueNow,
  flushOf,
  groupOf,
  lanesOf,
  ownedGroup,
  publishKeys,
  row,
  runsOf,
} from './journal-under-test.ts'

/** What a person may do to runs, systems and groups. */
export function actsContract(context: ContractContext): void {
  retryCases(context)
  skipCases(context)
  refusalCases(context)
  pauseCases(context)
}

const { waiting, retrying, running, parked, succeeded, skipped } = runState

function retryCases({ world }: ContractContext): void {
  it('a retry makes a parked run due again, with its tries counted anew', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, a!, { state: parked, tries: 9, attempts: 9 }), row(owned, b!)] }),
    )
    expect(await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'retry' })).toEqual({
      result: 'done',
      before: parked,
      after: retrying,
    })
    expect(await runsOf(world(), owned)).toMatchObject([
      { state: retrying, tries: 0, attempts: 9 },
      { state: waiting },
    ])
    expect(await dueNow(owned)).toEqual(['a'])
  })

  it('a retry of a retrying run makes it due now and keeps its tries', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(
      flushOf(owned, { runs: [row(owned, a!, { state: retrying, nextInMs: 60_000, tries: 3 })] }),
    )
    expect(await dueNow(owned)).toEqual([])
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'retry' })
    expect(await dueNow(owned)).toEqual(['a'])
    expect(await runsOf(world(), owned)).toMatchObject([{ state: retrying, tries: 3 }])
  })

  it('a retry of a run that did not hold its lane gives it a lane', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked, holds: false })] }))
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'retry' })
    expect(await dueNow(owned)).toEqual(['a'])
    expect(await world().violations()).toEqual([])
  })
}

function skipCases({ world }: ContractContext): void {
  it('a skip ends a run for good and lets the next one of its lane go on', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked }), row(owned, b!)] }))
    const act = {
      flow: owned.flow.id,
      seq: a!.seq,
      verb: 'skip',
      actor: 'ada',
      reason: 'booked by hand',
    } as const
    expect(await world().act(act)).toEqual({ result: 'done', before: parked, after: skipped })
    expect(await runsOf(world(), owned)).toMatchObject([
      { state: skipped, reason: 'booked by hand' },
      { state: waiting },
    ])
    expect(await dueNow(owned)).toEqual(['a'])
    expect((await world().snapshot()).audit.filter((entry) => entry.actor === 'ada')).toMatchObject([
      { verb: 'skip', object: `run ${owned.flow.name}/${a!.seq}`, reason: 'booked by hand' },
    ])
  })

  it('a skip of the last open run ends the lane', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked })] }))
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'skip' })
    expect(await lanesOf(world(), owned)).toEqual([])
  })

  it('a skip behind the head leaves the head as it is', async () => {
    const owned = await ownedGroup(world())
    const [a, b, c] = await publishKeys(owned, ['a', 'a', 'a'])
    const head = row(owned, a!, { state: retrying, nextInMs: 60_000 })
    await owned.journal.flush(flushOf(owned, { runs: [head, row(owned, b!), row(owned, c!)] }))
    await world().act({ flow: owned.flow.id, seq: b!.seq, verb: 'skip' })
    expect(await dueNow(owned)).toEqual([])
    expect(await runsOf(world(), owned)).toMatchObject([
      { state: retrying },
      { state: skipped },
      { state: waiting },
    ])
    expect(await world().violations()).toEqual([])
  })
}

function refusalCases({ world }: ContractContext): void {
  it('a running run is refused: its owner holds it', async () => {
    const owned = await ownedGroup(world())
    const [a] = await publishKeys(owned, ['a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!)] }))
    await owned.journal.claim(claimOf(owned, ['a']))
    for (const verb of ['retry', 'skip'] as const)
      expect(await world().act({ flow: owned.flow.id, seq: a!.seq, verb })).toMatchObject({
        result: 'refused',
      })
    expect(await runsOf(world(), owned)).toMatchObject([{ state: running }])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: succeeded })] }))
  })

  it('a waiting run cannot be retried: it waits for another', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked }), row(owned, b!)] }))
    const act = { flow: owned.flow.id, seq: b!.seq, verb: 'retry' } as const
    expect(await world().act(act)).toEqual({ result: 'refused', before: waiting, after: waiting })
    expect(await world().violations()).toEqual([])
  })

  it('a run that has ended, and one that is not there, stay so', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    await owned.journal.flush(flushOf(owned, { done: [done(owned, a!)] }))
    const act = { flow: owned.flow.id, verb: 'skip' } as const
    expect(await world().act({ ...act, seq: a!.seq })).toMatchObject({ result: 'ended', before: succeeded })
    expect(await world().act({ ...act, seq: b!.seq })).toMatchObject({
      result: 'absent',
      before: null,
      after: null,
    })
    expect(await lanesOf(world(), owned)).toEqual([])
    expect(await runsOf(world(), owned)).toHaveLength(1)
  })
}

function pauseCases({ world }: ContractContext): void {
  it('pauses and resumes a group and a system, and says when there is none', async () => {
    const owned = await ownedGroup(world())
    const system = async () => (await owned.journal.states()).find((each) => each.id === owned.system)
    const { name, version } = (await system())!
    for (const paused of [true, false]) {
      expect(await world().pause('group', owned.group, paused)).toBe(true)
      expect(await world().pause('system', name, paused)).toBe(true)
      expect(await groupOf(world(), owned)).toMatchObject({ paused })
      expect(await system()).toMatchObject({ paused })
    }
    expect((await system())?.version).toBeGreaterThan(version)
    for (const kind of ['group', 'system'] as const)
      expect(await world().pause(kind, 'no such thing', true)).toBe(false)
  })
}

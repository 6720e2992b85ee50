import { expect, it } from 'vitest'
import type { KnownStep, StepRow } from '../journal/port.ts'
import { runState, stepState } from '../journal/port.ts'
import type { ContractContext, Logged, Owned } from './journal-under-test.ts'
import {
  claimOf,
  done,
  dueNow,
  event,
  flushOf,
  ownedGroup,
  publish,
  publishKeys,
  row,
} from './journal-under-test.ts'

/** The promises of `OwnerJournal` about steps of runs, and about runs that wait for something other than their turn. */
export function stepsContract(context: ContractContext): void {
  stepCases(context)
  waitCases(context)
}

const { waiting, retrying, running, parked } = runState

/** A step's row; done with a result unless told otherwise. */
function step({ flow }: Owned, { seq }: Logged, more: Partial<StepRow> = {}): StepRow {
  return {
    flow: flow.id,
    seq,
    gen: 0,
    step: 'sale',
    state: stepState.done,
    tries: 1,
    attempts: 2,
    throttles: 0,
    conflicts: 0,
    firstAt: 1_700_000_000_000,
    maybeAt: null,
    nextInMs: null,
    ms: 12,
    status: 201,
    result: '{"id":7}',
    code: null,
    message: null,
    reason: null,
    ...more,
  }
}

const known: KnownStep = {
  step: 'sale',
  state: stepState.done,
  tries: 1,
  attempts: 2,
  throttles: 0,
  conflicts: 0,
  keyNo: 0,
  firstAt: 1_700_000_000_000,
  maybeAt: null,
  nextInMs: null,
  ms: 12,
  status: 201,
  result: '{"id":7}',
  input: null,
  began: null,
  code: null,
  message: null,
  reason: null,
}

function stepCases({ world }: ContractContext): void {
  it('keeps the steps of a run that has no row, and gives them to the next owner', async () => {
    const owned = await ownedGroup(world())
    const { journal, flow } = owned
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const flush = flushOf(owned, { steps: [step(owned, a!), step(owned, b!)] })
    await journal.flush(flush)
    await journal.flush(flush)
    await journal.flush(flushOf(owned, { done: [done(owned, b!)] }))
    expect(await journal.stepsWithoutRun([flow.id], 0, b!.seq)).toEqual([
      { flow: flow.id, seq: a!.seq, step: known },
    ])
    expect(await journal.stepsWithoutRun([flow.id], a!.seq, b!.seq)).toEqual([])
  })

  it('gives the steps of a run with the claim, and writes them while it is running', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a] = await publishKeys(owned, ['a'])
    const retry = step(owned, a!, { step: 'invoice', state: stepState.retrying, nextInMs: 0, result: null })
    await journal.flush(
      flushOf(owned, { runs: [row(owned, a!, { state: retrying })], steps: [step(owned, a!), retry] }),
    )
    const claimed = await journal.claim(claimOf(owned, ['a']))
    if (claimed === 'lost') return expect.unreachable('the lease was lost')
    const steps = claimed[0]?.steps ?? []
    const [invoice, sale, ...others] = [...steps].sort((one, other) => one.step.localeCompare(other.step))
    expect(sale).toEqual(known)
    expect(invoice).toMatchObject({ step: 'invoice', state: stepState.retrying })
    expect(invoice?.nextInMs).toBeLessThanOrEqual(0)
    expect(others).toEqual([])
    expect(claimed[0]?.compensating).toBe(false)
    await journal.flush(
      flushOf(owned, { steps: [{ ...retry, state: stepState.done, nextInMs: null, result: '1' }] }),
    )
    const again = await journal.claim({ ...claimOf(owned, ['a']), again: true })
    if (again === 'lost') return expect.unreachable('the lease was lost')
    expect(again[0]?.steps.find((each) => each.step === 'invoice')).toMatchObject({
      state: stepState.done,
      result: '1',
    })
  })

  it('A21: a flush that is repeated after the run has left the owner changes no step', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a] = await publishKeys(owned, ['a'])
    const failed = step(owned, a!, { state: stepState.failed, result: null })
    await journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: parked })], steps: [failed] }))
    await journal.flush(flushOf(owned, { steps: [step(owned, a!)] }))
    await journal.flush(flushOf(owned, { runs: [row(owned, a!)], steps: [step(owned, a!)] }))
    await world().act({ flow: owned.flow.id, seq: a!.seq, verb: 'retry' })
    const claimed = await journal.claim(claimOf(owned, ['a']))
    if (claimed === 'lost') return expect.unreachable('the lease was lost')
    expect(claimed[0]?.steps[0]?.result).toBeNull()
  })

  it('remembers that a run is being undone', async () => {
    const owned = await ownedGroup(world())
    const { journal } = owned
    const [a] = await publishKeys(owned, ['a'])
    await journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: running, compensating: true })] }))
    await journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: retrying, compensating: true })] }))
    const claimed = await journal.claim(claimOf(owned, ['a']))
    expect(claimed).toMatchObject([{ compensating: true }])
  })
}

function waitCases({ world }: ContractContext): void {
  it('a run that waits for a time is due then, whatever else happens to its lane', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'a'])
    const timer = row(owned, a!, { state: waiting, awaits: 'timer', nextInMs: 40 })
    await owned.journal.flush(flushOf(owned, { runs: [timer] }))
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, b!)], signals: ['a'] }))
    expect(await dueNow(owned)).toEqual([])
    expect(await owned.journal.claim(claimOf(owned, ['a']))).toEqual([])
    await world().advance(60)
    expect(await dueNow(owned)).toEqual(['a'])
    expect(await owned.journal.claim(claimOf(owned, ['a']))).toHaveLength(2)
  })

  it('a run that is parked beside its lane until a time holds it again then, and not before', async () => {
    const owned = await ownedGroup(world())
    const { journal, lease } = owned
    const [a, b, c] = await publishKeys(owned, ['a', 'b', 'c'])
    const until = { state: parked, holds: false, awaits: 'timer', nextInMs: 40 } as const
    const forEver = row(owned, b!, { state: parked, holds: false })
    const later = row(owned, c!, { ...until, nextInMs: 60_000 })
    await journal.flush(flushOf(owned, { runs: [row(owned, a!, until), forEver, later] }))
    expect(await journal.wakeParked(lease)).toBe(0)
    await world().advance(60)
    expect(await journal.wakeParked({ ...lease, epoch: lease.epoch - 1 })).toBe('lost')
    expect(await journal.wakeParked(lease)).toBe(1)
    expect(await journal.wakeParked(lease)).toBe(0)
    expect(await dueNow(owned)).toEqual(['a'])
    expect(await journal.claim(claimOf(owned, ['a', 'b', 'c']))).toHaveLength(1)
    expect(await world().violations()).toEqual([])
  })

  it('A16: a run that waits for an event of its key is due as soon as one was read, and only then', async () => {
    const owned = await ownedGroup(world())
    const [a, b] = await publishKeys(owned, ['a', 'b'])
    const rows = [a!, b!].map((each) => row(owned, each, { state: waiting, awaits: 'signal' }))
    await owned.journal.flush(flushOf(owned, { runs: rows }))
    expect(await dueNow(owned)).toEqual([])
    await owned.journal.flush(flushOf(owned, { signals: ['b', 'c'] }))
    expect(await dueNow(owned)).toEqual(['b'])
    await owned.journal.flush(flushOf(owned, { runs: [row(owned, (await publishKeys(owned, ['b']))[0]!)] }))
    expect(await dueNow(owned)).toEqual(['b'])
    expect(await world().violations()).toEqual([])
  })

  it('A16: finds the first event of a key and type behind a place', async () => {
    const { journal } = await ownedGroup(world())
    const stored = await publish(journal, [
      event({ type: 'paid', key: 'a' }),
      event({ type: 'paid', key: 'b' }),
      event({ type: 'sent', key: 'a' }),
      event({ type: 'paid', key: 'a' }),
    ])
    const [first, , , last] = stored
    const find = (after: number, types = ['paid']) => journal.firstOf({ key: 'a', types, after })
    expect(await find(first!.seq - 1)).toMatchObject({ seq: first!.seq, id: first!.id })
    expect(await find(first!.seq)).toMatchObject({ seq: last!.seq })
    expect(await find(last!.seq)).toBeUndefined()
    expect(await find(0, ['lost'])).toBeUndefined()
  })
}

import { expect, it } from 'vitest'
import type {
  EchoDecision,
  OutstandingWrite,
  WriteName,
  WriteOutcome,
  WriteRegistration,
} from '../journal/port-echoes.ts'
import type { ContractContext, Owned } from './journal-under-test.ts'
import { ownedGroup, positionAt, flushOf, publishKeys, unique } from './journal-under-test.ts'

/** The promises of `EchoJournal`. */
export function echoesContract(context: ContractContext): void {
  writeCases(context)
  decisionCases(context)
  sweepCases(context)
}

interface Writing extends Owned {
  readonly object: string
}

async function writing({ world }: ContractContext): Promise<Writing> {
  return { ...(await ownedGroup(world())), object: unique('object') }
}

function nameOf({ flow }: Owned, seq = 1): WriteName {
  return { flow: flow.id, seq, gen: 0, step: 'write', undo: false }
}

function registration(owned: Writing, more: Partial<WriteRegistration> = {}): WriteRegistration {
  return {
    ...nameOf(owned),
    system: 'crm',
    object: owned.object,
    fp: 'aaa',
    versioned: false,
    token: 'one',
    settlesInMs: 30_000,
    keepMs: 3_600_000,
    ...more,
  }
}

function outcome(owned: Writing, more: Partial<WriteOutcome> = {}): WriteOutcome {
  return { ...nameOf(owned), token: 'one', outcome: 'done', version: null, ...more }
}

async function outstanding({ journal, object }: Writing): Promise<readonly OutstandingWrite[]> {
  return (await journal.echoFacts({ seqs: [], objects: [{ system: 'crm', object }] })).writes
}

async function only(owned: Writing): Promise<OutstandingWrite> {
  const writes = await outstanding(owned)
  expect(writes).toHaveLength(1)
  return writes[0] as OutstandingWrite
}

function decision(more: Partial<EchoDecision>): EchoDecision {
  return { echoes: [], gone: [], blunted: [], ...more }
}

function writeCases(context: ContractContext): void {
  it('A26: a write is known before it is sent, with the head of the log before it and until when it is under way', async () => {
    const owned = await writing(context)
    const [before] = await publishKeys(owned, ['k'])
    await owned.journal.registerWrites([registration(owned)])
    const { now } = await owned.journal.echoFacts({ seqs: [], objects: [] })
    const write = await only(owned)
    expect(write).toMatchObject({
      system: 'crm',
      object: owned.object,
      fp: 'aaa',
      version: null,
      versioned: false,
    })
    expect(write.writer).toEqual({ ...nameOf(owned), flowName: owned.flow.name })
    expect(write.after).toBe(before?.seq)
    expect(Math.abs(write.at - now)).toBeLessThan(5_000)
    expect((write.settlesAt ?? 0) - write.at).toBeCloseTo(30_000, -2)
  })

  it('facts speak of the objects asked for, of the same system', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned)])
    const ask = (system: string, object: string) =>
      owned.journal.echoFacts({ seqs: [], objects: [{ system, object }] })
    expect((await ask('erp', owned.object)).writes).toEqual([])
    expect((await ask('crm', `${owned.object}x`)).writes).toEqual([])
    expect((await ask('crm', owned.object)).writes).toHaveLength(1)
  })

  it('a success adds its version, and nobody waits for it any more; told twice is told once', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned, { versioned: true, fp: null })])
    for (let time = 0; time < 2; time++) await owned.journal.settleWrites([outcome(owned, { version: 'v7' })])
    expect(await only(owned)).toMatchObject({ version: 'v7', settlesAt: null, versioned: true, fp: null })
  })

  it('a write that surely failed goes; one of unknown outcome stays', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned)])
    await owned.journal.settleWrites([outcome(owned, { outcome: 'unknown' })])
    expect(await only(owned)).toMatchObject({ settlesAt: null })
    const other = await writing(context)
    await other.journal.registerWrites([registration(other)])
    await other.journal.settleWrites([outcome(other, { outcome: 'failed' })])
    expect(await outstanding(other)).toEqual([])
  })

  it('tried again, it keeps its place in the log; a sure failure does not take back what an earlier try may have done', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned)])
    const first = await only(owned)
    await publishKeys(owned, ['k'])
    await owned.journal.registerWrites([registration(owned, { token: 'two' })])
    const second = await only(owned)
    expect(second.after).toBe(first.after)
    expect(second.id).toBeGreaterThan(first.id)
    await owned.journal.settleWrites([outcome(owned, { token: 'two', outcome: 'failed' })])
    expect(await only(owned)).toMatchObject({ settlesAt: null })
  })

  it('what a late answer says of an earlier attempt does not end the one under way', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned)])
    await owned.journal.registerWrites([registration(owned, { token: 'two' })])
    await owned.journal.settleWrites([outcome(owned, { outcome: 'failed' })])
    expect((await only(owned)).settlesAt).not.toBeNull()
    await owned.journal.settleWrites([outcome(owned, { token: null, version: 'v1' })])
    expect(await only(owned)).toMatchObject({ settlesAt: null, version: 'v1' })
  })

  it('a registration sent twice is one', async () => {
    const owned = await writing(context)
    for (let time = 0; time < 2; time++) await owned.journal.registerWrites([registration(owned)])
    await owned.journal.settleWrites([outcome(owned, { outcome: 'failed' })])
    expect(await outstanding(owned)).toEqual([])
  })
}

function decisionCases(context: ContractContext): void {
  it('an event that is recognised keeps its verdict, and its write is gone', async () => {
    const owned = await writing(context)
    const [event] = await publishKeys(owned, ['k'])
    await owned.journal.registerWrites([registration(owned)])
    const { id } = await only(owned)
    const seq = event?.seq ?? 0
    expect(
      await owned.journal.decideEchoes([decision({ echoes: [{ seq, write: id }], gone: [id] })]),
    ).toEqual([])
    const facts = await owned.journal.echoFacts({
      seqs: [seq],
      objects: [{ system: 'crm', object: owned.object }],
    })
    expect(facts.verdicts).toEqual([
      { seq, system: 'crm', writer: { ...nameOf(owned), flowName: owned.flow.name } },
    ])
    expect(facts.writes).toEqual([])
  })

  it('of two owners that decide about the same write one is refused, and changes nothing; another object of the same call is decided', async () => {
    const owned = await writing(context)
    const other = await writing(context)
    const [one, two, three] = await publishKeys(owned, ['k', 'k', 'k'])
    await owned.journal.registerWrites([registration(owned), registration(owned, { ...nameOf(owned, 2) })])
    await owned.journal.registerWrites([registration(other)])
    const [first, second] = (await outstanding(owned)).map(({ id }) => id) as [number, number]
    const { id: third } = await only(other)
    const echo = (event: { seq: number } | undefined, write: number, gone: number[]) =>
      decision({ echoes: [{ seq: event?.seq ?? 0, write }], gone })
    expect(await owned.journal.decideEchoes([echo(one, first, [first])])).toEqual([])
    const late = [echo(two, second, [first, second]), echo(three, third, [third])]
    expect(await owned.journal.decideEchoes(late)).toEqual([0])
    expect((await outstanding(owned)).map(({ id }) => id)).toEqual([second])
    expect(await outstanding(other)).toEqual([])
    // Sent again after a lost answer: what is decided is refused, and asked for again.
    expect(await owned.journal.decideEchoes([echo(three, third, [third])])).toEqual([0])
  })

  it.skipIf(!context.capabilities.concurrent)(
    'of six owners that decide at once exactly one does',
    async () => {
      const owned = await writing(context)
      const [event] = await publishKeys(owned, ['k'])
      await owned.journal.registerWrites([registration(owned)])
      const { id } = await only(owned)
      const taken = decision({ echoes: [{ seq: event?.seq ?? 0, write: id }], gone: [id] })
      const answers = await Promise.all(
        context.world().sessions.map((session) => session.decideEchoes([taken])),
      )
      expect(answers.filter((refused) => refused.length === 0)).toHaveLength(1)
    },
  )

  it('a write that is registered again meanwhile is not decided about', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned)])
    const { id } = await only(owned)
    await owned.journal.registerWrites([registration(owned, { token: 'two' })])
    expect(await owned.journal.decideEchoes([decision({ gone: [id] })])).toEqual([0])
    await only(owned)
  })

  it('a blunted write is known by its version alone', async () => {
    const owned = await writing(context)
    await owned.journal.registerWrites([registration(owned, { versioned: true })])
    await owned.journal.settleWrites([outcome(owned, { version: 'v1' })])
    const { id } = await only(owned)
    expect(await owned.journal.decideEchoes([decision({ blunted: [id] })])).toEqual([])
    expect(await only(owned)).toMatchObject({ fp: null, version: 'v1' })
  })
}

function sweepCases(context: ContractContext): void {
  it('writes go when their time has passed and every flow has read past it, a bounded number at once', async () => {
    const owned = await writing(context)
    const { journal } = owned
    for (const seq of [1, 2, 3])
      await journal.registerWrites([
        registration(owned, { ...nameOf(owned, seq), keepMs: seq === 3 ? 3_600_000 : 0 }),
      ])
    const sweep = () => journal.sweepWrites({ flows: [owned.flow.id], limit: 1 })
    await context.world().advance(20)
    expect(await sweep()).toBe(0) // not read past it
    const [event] = await publishKeys(owned, ['k'])
    const position = event?.seq ?? 0
    await journal.flush(flushOf(owned, { positions: positionAt(owned, position), claimedTo: position }))
    expect(await sweep()).toBe(1)
    expect(await sweep()).toBe(1)
    expect(await sweep()).toBe(0)
    expect((await outstanding(owned)).map(({ writer }) => writer.seq)).toEqual([3])
    await journal.registerWrites([registration(owned, { ...nameOf(owned, 4), keepMs: 0 })])
    await context.world().advance(20)
    expect(await sweep()).toBe(0)
    expect(await journal.sweepWrites({ flows: [], limit: 1 })).toBe(1) // nobody reads
  })
}

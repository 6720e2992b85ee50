import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent } from '../define/event.ts'
import type { StoredEvent } from '../journal/port.ts'
import type { EchoDecision, EchoFacts, EchoJournal, OutstandingWrite } from '../journal/port-echoes.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { EchoJudge } from './echo-judge.ts'
import { fieldsFingerprint } from './echo.ts'
import type { FlowRuntime, Run } from './run.ts'

const contract = defineEvent({
  type: 'told',
  schema: z.object({ id: z.string(), name: z.string() }),
  echo: { system: 'crm', object: ({ id }) => id, fields: ({ name }) => ({ name }) },
})

function told(seq: number, name: string, type = 'told'): StoredEvent {
  const data = JSON.stringify({ id: 'C', name })
  return { seq, source: 's', id: `${seq}`, type, key: 'C', khash: 0, receivedAt: 1_000, data, ext: '{}' }
}

function runOf(event: StoredEvent, echoes: 'skip' | 'run' = 'skip'): Run {
  const flow = { echoes } as FlowRuntime
  return { flow, event, compensating: false, steps: [] as never, echo: undefined } as unknown as Run
}

function wrote(name: string, more: Partial<OutstandingWrite> = {}): OutstandingWrite {
  const writer = { flow: 1, flowName: 'sync', seq: 5, gen: 0, step: 'write', undo: false }
  return {
    ...{ id: 1, writer, system: 'crm', object: 'C', fp: fieldsFingerprint({ name }), version: null },
    ...{ versioned: false, after: 0, at: 1_000, settlesAt: null },
    ...more,
  }
}

/** A journal that answers what it is told, and a judge that asks it. */
function bench(contracts: ReadonlyMap<string, typeof contract> = new Map([['told', contract]])) {
  const clock = new VirtualClock(1_000)
  const calls: string[] = []
  const errors: unknown[] = []
  const decided: Run[] = []
  const answers = {
    writes: [] as OutstandingWrite[],
    verdicts: [] as EchoFacts['verdicts'],
    failures: 0,
    refusals: 0,
  }
  const decisions: EchoDecision[] = []
  const journal: EchoJournal = {
    registerWrites: async () => undefined,
    settleWrites: async () => undefined,
    async echoFacts() {
      calls.push('facts')
      if (answers.failures-- > 0) throw new Error('away')
      return { now: clock.now(), writes: answers.writes, verdicts: answers.verdicts }
    },
    async decideEchoes(given) {
      calls.push('decide')
      if (answers.refusals-- > 0) return given.map((_, place) => place)
      decisions.push(...given)
      return []
    },
    async sweepWrites({ limit }) {
      calls.push(`sweep ${limit}`)
      return 0
    },
  }
  const judge = new EchoJudge({
    ...{ journal, clock, contracts, flows: [1], writes: false },
    onDecided: (runs) => decided.push(...runs),
    onError: (error) => errors.push(error),
  })
  const pass = async (ms: number) => {
    clock.moveTo(clock.now() + ms)
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
  return { judge, answers, calls, errors, decided, decisions, pass }
}

it('asks nothing about events that declare no echo', async () => {
  const { judge, calls } = bench()
  await judge.judge([told(1, 'B', 'other')], [])
  const without = bench(new Map())
  await without.judge.judge([told(1, 'B')], [])
  expect([...calls, ...without.calls]).toEqual([])
})

it('one question for a window of events, and no decision where nothing was written', async () => {
  const { judge, calls, decided } = bench()
  const events = [told(1, 'B'), told(2, 'C'), told(3, 'D')]
  const runs = events.map((event) => runOf(event))
  await judge.judge(events, runs)
  expect(calls).toEqual(['facts'])
  expect(runs.map(({ echo }) => echo)).toEqual([undefined, undefined, undefined])
  expect(decided).toHaveLength(3)
})

it('tells the runs of every flow that skips echoes, and none that wants to see them', async () => {
  const { judge, answers, decisions } = bench()
  answers.writes = [wrote('B')]
  const event = told(1, 'B')
  const runs = [runOf(event), runOf(event), runOf(event, 'run')]
  await judge.judge([event], runs)
  const echo = { reason: 'echo of our own write to crm by sync/5 (write)' }
  expect(runs.map((run) => run.echo)).toEqual([echo, echo, undefined])
  expect(decisions).toEqual([{ echoes: [{ seq: 1, write: 1 }], gone: [1], blunted: [] }])
})

it('a journal that is away is asked again; nothing is decided meanwhile', async () => {
  const { judge, answers, errors, pass } = bench()
  answers.failures = 2
  const event = told(1, 'B')
  const run = runOf(event)
  const judged = judge.judge([event], [run])
  await pass(0)
  expect(run.echo).toBe('undecided')
  await pass(200)
  await pass(200)
  await judged
  expect(run.echo).toBeUndefined()
  expect(errors).toHaveLength(2)
})

it('where another owner was first, the facts are asked for again, and its verdict counts', async () => {
  const { judge, answers, calls } = bench()
  answers.writes = [wrote('B')]
  answers.refusals = 1
  const event = told(1, 'B')
  const run = runOf(event)
  const { writer } = wrote('B')
  const judged = judge.judge([event], [run])
  answers.verdicts = [{ seq: 1, system: 'crm', writer: { ...writer, flowName: 'other' } }]
  await judged
  expect(calls[0]).toBe('facts')
  expect(run.echo).toEqual({ reason: 'echo of our own write to crm by other/5 (write)' })
})

it('an undecided event keeps the position before it, is asked about again, and holds those behind it', async () => {
  const { judge, answers, decided, pass } = bench()
  answers.writes = [wrote('B', { settlesAt: 1_250 })]
  const [first, second] = [told(7, 'B'), told(8, 'C')]
  const runs = [runOf(first), runOf(second)]
  await judge.judge([first, second], runs)
  expect(runs.map(({ echo }) => echo)).toEqual(['undecided', 'undecided'])
  expect(judge.floor).toBe(7)
  await pass(100)
  expect(decided).toEqual([])
  await pass(100)
  await pass(100)
  expect(runs.map(({ echo }) => echo !== undefined)).toEqual([true, false])
  expect(decided).toEqual(runs)
  expect(judge.floor).toBe(Infinity)
})

it('stopped, it decides nothing more and asks nothing', async () => {
  const { judge, answers, calls, pass } = bench()
  answers.writes = [wrote('B', { settlesAt: 9_000 })]
  const event = told(1, 'B')
  const run = runOf(event)
  await judge.judge([event], [run])
  judge.stop()
  judge.stop()
  judge.sweep()
  await pass(60_000)
  expect(calls).toEqual(['facts'])
  expect(run.echo).toBe('undecided')
})

it('what has expired is deleted once a minute, a bounded number', async () => {
  const { judge, calls, pass } = bench()
  judge.sweep()
  await pass(60_000)
  judge.sweep()
  judge.sweep()
  expect(calls).toEqual(['sweep 1000'])
})

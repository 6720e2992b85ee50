import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CallError, FinalError } from '../errors.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orders, StubSystem } from '../../test/scenario/rig.ts'
import { plain } from './sentence.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

const words = (sentence: Parameters<typeof plain>[0]) => plain(sentence, () => 'then')
const settle = () => rig.sql('SELECT settle_problems(), note_levels()')
const later = (fingerprint: string) =>
  rig.sql(`UPDATE problems SET last_seen = last_seen - interval '1 min' WHERE fp = $1`, [fingerprint])

/** Refuses these orders until it is repaired, each with its own number in the message. */
function refusing(name: string, ...numbers: string[]) {
  const stub = new StubSystem({ name })
  let broken = true
  stub.answer = ({ order }) => {
    if (broken && numbers.includes(order.number))
      throw new FinalError(`order ${order.number} of 2026-11-27 has no tax code for 12.50`)
  }
  return { stub, mend: () => (broken = false), break: () => (broken = true) }
}

const only = async () => {
  const { items } = await rig.ask('listProblems')
  expect(items).toHaveLength(1)
  return items[0]!
}

describe('a problem', () => {
  it('groups runs whose messages differ only in ids, dates and amounts, and says what has to be done', async () => {
    const { stub } = refusing('erp', 'SO-1', 'SO-2')
    await rig.startWorker([flowOn(stub)])
    await rig.publish(...orders(['SO-1', 'SO-2', 'SO-3'], 2))
    await rig.until(async () => (await rig.ask('status')).open.waiting === 2)
    await settle()
    const problem = await only()
    expect(problem).toMatchObject({
      system: 'erp',
      title: 'order … of … has no tax code for …',
      state: 'open',
      needs: 'person',
      open: 2,
      parked: 2,
      objects: 2,
      times: 1,
      backAt: null,
      owner: null,
    })
    expect(words(problem.why)).toBe(
      '2 objects stand since then. busbar does nothing more by itself: mend the cause and retry, or skip with a reason.',
    )
    expect(problem.trend).toHaveLength(48)
    expect(problem.trend.at(-1)).toBe(2)
    const { fingerprint } = problem
    const runs = await rig.ask('listProblemRuns', { fingerprint })
    expect(runs.items).toMatchObject([
      { key: 'SO-1', step: 'send', behind: 1, state: 'parked', attempts: 1 },
      { key: 'SO-2', step: 'send', behind: 1 },
    ])
    const detail = await rig.ask('getProblem', { fingerprint })
    expect(detail).toMatchObject({
      example: {
        flow: 'erp',
        key: 'SO-1',
        message: 'order SO-1 of 2026-11-27 has no tax code for 12.50',
        step: 'send',
      },
      flows: [{ flow: 'erp', runs: 2 }],
      behind: 2,
      earlier: [],
      history: [],
      bulkAct: null,
    })
  })

  it('waits by itself while its runs are tried again, and says when', async () => {
    const stub = new StubSystem({ name: 'erp' })
    const retry = { attempts: 50, first: '1h', factor: 1, cap: '1h' } as const
    stub.answer = () => {
      throw new CallError({
        class: 'dependency',
        message: 'customer 12 is not there',
        retryAfterMs: 3_000_000,
      })
    }
    await rig.startWorker([flowOn(stub, { step: { retry } })])
    await rig.publish(...orders(['A'], 1))
    await rig.until(async () => (await rig.ask('status')).open.retrying === 1)
    const problem = await only()
    expect(problem).toMatchObject({ needs: 'busbar', open: 1, parked: 0 })
    expect(words(problem.why)).toBe(
      '1 object waits since then. busbar tries again then; nothing has to be done until then.',
    )
    expect(Date.parse(problem.until ?? '')).toBeGreaterThan(Date.now() + 1_000_000)
    const ask = async (needs: 'person' | 'busbar') => (await rig.ask('listProblems', { needs })).items.length
    expect([await ask('person'), await ask('busbar')]).toEqual([0, 1])
    expect((await rig.ask('listProblems')).counts).toEqual({
      person: 0,
      busbar: 1,
      acknowledged: 0,
      ignored: 0,
      resolved: 0,
    })
  })

  it('is over with its last run, comes back with the next, and remembers', async () => {
    const { stub, mend, break: breakAgain } = refusing('erp', 'SO-1', 'SO-2')
    await rig.startWorker([flowOn(stub)])
    const [seq] = await rig.publish(...orders(['SO-1'], 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 1)
    const { fingerprint } = await only()
    await rig.ask('changeProblem', { fingerprint, state: 'acknowledged' })
    await later(fingerprint)
    await settle()
    expect(await rig.ask('getProblem', { fingerprint })).toMatchObject({
      state: 'acknowledged',
      owner: 'local',
    })
    mend()
    await rig.ask('retryRun', { flow: 'erp', seq: seq! })
    await rig.until(async () => stub.applied.size === 1 && (await rig.ask('status')).open.retrying === 0)
    await rig.until(async () => {
      await settle()
      return (await rig.ask('getProblem', { fingerprint })).state === 'resolved'
    })
    const over = await rig.ask('getProblem', { fingerprint })
    expect(over).toMatchObject({ needs: 'nobody', open: 0, until: null })
    expect(over.earlier).toHaveLength(1)
    await rig.sql(`UPDATE problems SET resolved_at = resolved_at - interval '2 min'`)
    breakAgain()
    await rig.publish(...orders(['SO-2'], 1))
    // Its group has written the problem less than ten seconds ago: that it is back is found by looking.
    await rig.until(async () => (await rig.ask('status')).open.parked === 1)
    await settle()
    const again = await rig.ask('getProblem', { fingerprint })
    expect(again).toMatchObject({ state: 'open', times: 2, backFrom: 'resolved', owner: 'local', open: 1 })
    expect(Date.parse(again.since)).toBeGreaterThan(Date.parse(again.firstSeen))
    expect(words(again.why)).toMatch(/It had been over, and came back then\.$/)
  })

  it('that was over for less than a minute goes on: one that comes and goes is one', async () => {
    const { stub } = refusing('erp', 'SO-1')
    await rig.startWorker([flowOn(stub)])
    await rig.publish(...orders(['SO-1'], 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 1)
    const before = await only()
    await rig.sql(`UPDATE problems SET state = 'resolved'`)
    await settle()
    const { fingerprint, since } = before
    expect(await rig.ask('getProblem', { fingerprint })).toMatchObject({
      ...{ state: 'open', times: 1, since, backAt: null, earlier: [] },
    })
  })

  it('that is ignored until a moment is back by itself then, with what was said of it', async () => {
    const { stub } = refusing('erp', 'SO-1')
    await rig.startWorker([flowOn(stub)])
    await rig.publish(...orders(['SO-1'], 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 1)
    const { fingerprint } = await only()
    const runbook = 'https://wiki.example/tax-codes'
    const ignoredUntil = new Date(Date.now() + 700).toISOString()
    await rig.ask('changeProblem', {
      fingerprint,
      state: 'ignored',
      ignoredUntil,
      note: 'tax office',
      runbook,
    })
    await settle()
    const ignored = await rig.ask('getProblem', { fingerprint })
    expect(ignored).toMatchObject({ state: 'ignored', ignoredUntil, note: 'tax office', runbook })
    expect((await rig.ask('listProblems')).items).toEqual([])
    await rig.until(async () => {
      await settle()
      return (await rig.ask('getProblem', { fingerprint })).state === 'open'
    })
    expect(await rig.ask('getProblem', { fingerprint })).toMatchObject({
      backFrom: 'ignored',
      ignoredUntil: null,
      times: 1,
      note: 'tax office',
      history: [{ verb: 'ignore', actor: 'local', after: { state: 'ignored', runbook } }],
    })
  })

  it('refuses a moment that is over, or that goes with nothing, and a runbook that is no link', async () => {
    const { stub } = refusing('erp', 'SO-1')
    await rig.startWorker([flowOn(stub)])
    await rig.publish(...orders(['SO-1'], 1))
    await rig.until(async () => (await rig.ask('listProblems')).items.length === 1)
    const { fingerprint } = await only()
    const refusal = async (change: object) => {
      const { status, errors } = await rig.refused('changeProblem', { fingerprint, ...change })
      return `${status} ${errors?.[0]?.pointer}`
    }
    const past = new Date(Date.now() - 1_000).toISOString()
    const soon = new Date(Date.now() + 9_000).toISOString()
    expect(await refusal({ state: 'ignored', ignoredUntil: past })).toBe('422 /body/ignoredUntil')
    expect(await refusal({ ignoredUntil: soon })).toBe('422 /body/ignoredUntil')
    expect(await refusal({ runbook: 'javascript:alert(1)' })).toBe('422 /body/runbook')
  })

  it('of a system that is cut off counts what waits for it, with the events not reached', async () => {
    const stub = new StubSystem({
      name: 'erp',
      breaker: { consecutiveFailures: 2, probeDelay: '1h', maxProbeDelay: '1h' },
    })
    stub.answer = () => {
      throw new CallError({ class: 'unavailable', message: 'connect ECONNREFUSED 10.0.0.1:443' })
    }
    await rig.startWorker([flowOn(stub, { partitions: 1 })])
    await rig.publish(...orders(['A', 'B', 'C', 'D'], 1))
    await rig.until(async () =>
      (await rig.ask('listProblems')).items.some(({ fingerprint }) => fingerprint === 'system:erp'),
    )
    await rig.publish(...orders(['E'], 1))
    await rig.until(async () => (await rig.ask('getProblem', { fingerprint: 'system:erp' })).pending > 0)
    const problem = await rig.ask('getProblem', { fingerprint: 'system:erp' })
    expect(problem).toMatchObject({ needs: 'busbar', parked: 0 })
    expect(problem.open + problem.pending).toBe(5)
    expect(words(problem.why)).toMatch(/cut off since then: .*When it answers, everything goes on by itself/)
    expect(problem.until).not.toBeNull()
  })

  it('of a system that is cut off counts and lists the same runs: those that need it, not one that waits for a person', async () => {
    const stub = new StubSystem({
      name: 'accounting',
      label: 'the accounting',
      breaker: { consecutiveFailures: 2, probeDelay: '1h', maxProbeDelay: '1h' },
    })
    stub.answer = () => {
      throw new FinalError('no tax code')
    }
    await rig.startWorker([flowOn(stub, { partitions: 1 })])
    await rig.publish(...orders(['A', 'B', 'C'], 2))
    await rig.until(async () => (await rig.ask('status')).open.parked === 3)
    stub.answer = () => {
      throw new CallError({ class: 'unavailable', message: 'connect ECONNREFUSED 10.0.0.1:443' })
    }
    await rig.publish(...orders(['X', 'Y'], 1))
    const fingerprint = 'system:accounting'
    await rig.until(async () =>
      (await rig.ask('listProblems')).items.some((each) => each.fingerprint === fingerprint),
    )
    for (const { flow, seq, key } of (await rig.ask('listRuns', { state: 'parked' })).items)
      if (key !== 'C') await rig.ask('retryRun', { flow, seq })
    const [listed] = (await rig.ask('listProblems')).items.filter((each) => each.fingerprint === fingerprint)
    expect(listed).toMatchObject({ open: 5, objects: 3 }) // A and B, what stands behind them, and behind C
    const runs = (await rig.ask('listProblemRuns', { fingerprint })).items
    const problem = await rig.ask('getProblem', { fingerprint })
    expect(runs.map(({ state }) => state)).not.toContain('parked')
    expect(problem).toMatchObject({ open: runs.length, parked: 0, systemLabel: 'the accounting' })
    expect(problem.title).toMatch(/^The accounting /)
    expect((await rig.ask('getSystem', { name: 'accounting' })).problems.map(({ title }) => title)).toContain(
      problem.title,
    )
    await rig.sql('SELECT note_levels()')
    expect((await rig.ask('getProblem', { fingerprint })).trend.at(-1)).toBeGreaterThanOrEqual(problem.open)
  })
})

describe('the list', () => {
  it('is gathered by system and by flow, each with the problems that its filter lists', async () => {
    const both = refusing('a', 'SO-1', 'SO-2')
    const other = refusing('b', 'SO-1')
    await rig.startWorker([
      flowOn(both.stub, { name: 'one' }),
      flowOn(both.stub, { name: 'two' }),
      flowOn(other.stub, { name: 'three' }),
    ])
    await rig.publish(...orders(['SO-1', 'SO-2'], 1))
    await rig.until(async () => (await rig.ask('status')).open.parked === 5)
    const bySystem = await rig.ask('listProblemGroups', { by: 'system' })
    expect(bySystem).toMatchObject({
      items: [
        { name: 'a', label: 'a', problems: 1, person: 1, open: 4 },
        { name: 'b', problems: 1, person: 1, open: 1 },
      ],
      complete: true,
    })
    const byFlow = await rig.ask('listProblemGroups', { by: 'flow' })
    expect(byFlow.items.map(({ name, problems, open }) => [name, problems, open])).toEqual([
      ['one', 1, 2],
      ['three', 1, 1],
      ['two', 1, 2],
    ])
    for (const { name, problems } of byFlow.items)
      expect((await rig.ask('listProblems', { flow: name! })).items).toHaveLength(problems)
    expect((await rig.ask('listProblems', { flow: 'three' })).items).toMatchObject([{ system: 'b' }])
    expect((await rig.ask('listProblems', { flow: 'nobody' })).items).toEqual([])
  })

  it('is filtered by state, system and owner, sorted, and paged without gaps', async () => {
    const systems = ['a', 'b', 'c'].map((name) => refusing(name, 'SO-1'))
    await rig.startWorker(systems.map(({ stub }) => flowOn(stub)))
    await rig.publish(...orders(['SO-1'], 1))
    await rig.until(async () => (await rig.ask('listProblems')).items.length === 3)
    const { items } = await rig.ask('listProblems')
    await rig.ask('changeProblem', {
      fingerprint: items[1]!.fingerprint,
      owner: 'ada',
      state: 'acknowledged',
    })
    expect((await rig.ask('listProblems', { system: 'b' })).items).toMatchObject([{ system: 'b' }])
    expect((await rig.ask('listProblems', { owner: 'ada' })).items).toMatchObject([{ state: 'acknowledged' }])
    expect((await rig.ask('listProblems', { state: 'open' })).items).toHaveLength(2)
    for (const sort of ['lastSeen', 'since'] as const) {
      const all = (await rig.ask('listProblems', { sort })).items.map(({ fingerprint }) => fingerprint)
      const paged: string[] = []
      let cursor: string | null = null
      do {
        const page: Awaited<ReturnType<typeof rig.ask<'listProblems'>>> = await rig.ask('listProblems', {
          sort,
          limit: 1,
          ...(cursor !== null && { cursor }),
        })
        paged.push(...page.items.map(({ fingerprint }) => fingerprint))
        cursor = page.next
      } while (cursor !== null)
      expect(paged).toEqual(all)
    }
  })
})

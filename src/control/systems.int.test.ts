import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineFlow } from '../define/flow.ts'
import { CallError } from '../errors.ts'
import { basic } from '../systems/http-auth.ts'
import { httpSystem } from '../systems/http.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orderPlaced, orders, StubSystem } from '../../test/scenario/rig.ts'
import { latencyBounds } from '../journal/port.ts'
import { plain } from './sentence.ts'
import type { Sentence } from './schema/common.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig(() => ({ nounOf: () => 'order' }))
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

const words = (sentence: Sentence) => plain(sentence, () => 'then')
const impatient = { consecutiveFailures: 1, probeDelay: '30s', maxProbeDelay: '30s' } as const
const refused = () => {
  throw new CallError({
    class: 'unavailable',
    message: 'no connection (ECONNREFUSED)',
    cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
  })
}
const hist = (place: number, count: number) =>
  latencyBounds.map((_, index) => (index === place ? count : 0)).concat(0)

describe('a system that refuses', () => {
  async function cutOff(): Promise<StubSystem> {
    const erp = new StubSystem({ name: 'erp', label: 'ERP', breaker: impatient })
    erp.answer = refused
    await rig.startWorker([flowOn(erp)])
    await rig.publish(...orders(['A', 'B', 'C'], 1))
    await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).standing === 'cut-off')
    return erp
  }

  it('is said with what waits and the next try, and a test call helps', async () => {
    await cutOff()
    await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).waiting.count === 3)
    const { sentences, ok } = await rig.ask('now', {})
    expect(ok).toBe(false)
    expect(sentences.map((each) => words(each.sentence))).toEqual([
      'ERP refuses connections since then: 3 orders wait, next try then',
      'Everything else is well',
    ])
    expect(sentences[0]).toMatchObject({
      tone: 'park',
      standing: 'cut-off',
      act: { verb: 'test', to: 'system', id: 'erp', text: 'Test connection' },
    })
  })

  it('is tested beside its breaker; when it answers, its next try is due at once', async () => {
    const erp = await cutOff()
    erp.check = refused
    const failed = await rig.ask('testSystem', { name: 'erp', reason: 'to see' })
    expect(failed).toMatchObject({ outcome: 'failed', class: 'unavailable', by: 'local' })
    expect(words(failed.sentence)).toBe('erp does not answer as it should: no connection (ECONNREFUSED)')
    expect((await rig.ask('getSystem', { name: 'erp' })).standing).toBe('cut-off')

    erp.answer = () => undefined
    erp.check = () => undefined
    expect(await rig.ask('testSystem', { name: 'erp' })).toMatchObject({ outcome: 'answered' })
    await rig.until(() => erp.applied.size === 3)
    await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).standing === 'connected')
    const { tests, rules } = await rig.ask('getSystem', { name: 'erp' })
    expect(tests.map(({ outcome }) => outcome)).toEqual(['answered', 'failed'])
    expect(rules).toMatchObject({ concurrency: 16, breaker: { consecutiveFailures: 1 } })
    const { changes, standingBefore } = await rig.ask('systemHistory', { name: 'erp' })
    expect(changes.map(({ kind, reason }) => [kind, reason])).toEqual([
      ['connected', null],
      ['cut-off', 'erp refuses connections'],
    ])
    expect(standingBefore).toBeNull()
    const { items } = await rig.ask('listAudit')
    expect(items.map(({ verb, object, reason }) => [verb, object, reason])).toEqual([
      ['test', 'system erp', null],
      ['test', 'system erp', 'to see'],
    ])
  })
})

describe('a test call', () => {
  it('is refused when no worker calls the system', async () => {
    await rig.journal.registerSystems([{ name: 'erp', address: 'erp' }])
    expect(await rig.refused('testSystem', { name: 'erp' })).toMatchObject({ code: 'act.refused' })
    expect((await rig.ask('getSystem', { name: 'erp' })).tests).toMatchObject([{ outcome: 'not-made' }])
    expect(await rig.refused('testSystem', { name: 'nobody' })).toMatchObject({ code: 'request.not-found' })
  })

  it('shows what was sent and answered, as attempts do, without credentials', async () => {
    const answers = [[503, { detail: 'year end' }] as const, [200, { ok: true, token: 't-4711' }] as const]
    const server = createServer((request, response) => {
      const [status, body] = answers.shift() ?? [500, {}]
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      request.resume()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const erp = httpSystem({
        ...{ name: 'erp', baseUrl: `http://127.0.0.1:${port}`, check: '/health' },
        auth: basic({ user: 'busbar', password: 'pass-word-1' }),
      })
      const book = defineFlow('book')
        .on(orderPlaced)
        .step('book', erp, { run: ({ event, call }) => call.post('/orders', event.data) })
      await rig.startWorker([book])
      const failed = await rig.ask('testSystem', { name: 'erp' })
      expect(failed).toMatchObject({ outcome: 'failed', status: 503 })
      expect(failed.request).toMatch(/^GET \/health\n/)
      expect(failed.response).toMatch(/^503\n(.*\n)*.*year end/)
      const answered = await rig.ask('testSystem', { name: 'erp' })
      expect(answered).toMatchObject({ outcome: 'answered', status: 200 })
      const shown = JSON.stringify(await rig.ask('getSystem', { name: 'erp' }))
      expect(shown).toContain('GET /health')
      expect(shown).not.toMatch(/pass-word-1|t-4711|YnVzYmFy/)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('is made once although several ask and several workers could make it', async () => {
    const erp = new StubSystem({ name: 'erp' })
    let made = 0
    erp.check = () => new Promise((resolve) => setTimeout(resolve, 50, made++))
    await rig.startWorker([flowOn(erp)])
    await rig.startWorker([flowOn(erp)])
    const tests = await Promise.all([1, 2, 3].map(() => rig.ask('testSystem', { name: 'erp' })))
    expect(new Set(tests.map(({ id }) => id)).size).toBe(1)
    expect(made).toBe(1)
  })

  it('waits for a place within the limits', async () => {
    const erp = new StubSystem({ name: 'erp', limits: { concurrency: 1 }, timeout: '5s' })
    const blocked = Promise.withResolvers<void>()
    erp.answer = () => blocked.promise
    await rig.startWorker([flowOn(erp)])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(() => erp.inFlight === 1)
    let checks = 0
    erp.check = () => checks++
    const test = rig.ask('testSystem', { name: 'erp' })
    await rig.until(async () => {
      const [begun] = await rig.sql<{ worker: string | null }>('SELECT worker FROM system_tests')
      return begun?.worker != null
    })
    expect(checks).toBe(0)
    blocked.resolve()
    expect(await test).toMatchObject({ outcome: 'answered' })
    expect(checks).toBe(1)
  })
})

describe('maintenance', () => {
  it('keeps calls waiting without attempts, is said, and ends when it is ended', async () => {
    const erp = new StubSystem({ name: 'erp', label: 'ERP' })
    await rig.startWorker([flowOn(erp)])
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const window = await rig.ask('setMaintenance', { name: 'erp', until, note: 'year end' })
    expect(window).toMatchObject({ until, note: 'year end', by: 'local' })
    await new Promise((resolve) => setTimeout(resolve, 1_300)) // workers look once a second
    const [seq] = await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).waiting.count === 1)
    const { sentences, ok } = await rig.ask('status')
    expect(ok).toBe(true)
    expect(words(sentences[0]!.sentence)).toBe('ERP is under maintenance until then: 1 order waits')
    expect(sentences[0]).toMatchObject({ tone: 'rest', standing: 'maintenance' })
    const { detail } = await rig.refused('getRun', { flow: 'erp', seq: seq! })
    expect(detail).toContain(`erp is under maintenance until ${until}`)
    expect(erp.arrivals).toEqual([])

    await rig.ask('endMaintenance', { name: 'erp', window: window.id, reason: 'done early' })
    await rig.until(() => erp.applied.size === 1)
    expect(await rig.ask('getSystem', { name: 'erp' })).toMatchObject({
      standing: 'connected',
      maintenance: [],
    })
    expect(await rig.refused('endMaintenance', { name: 'erp', window: window.id })).toMatchObject({
      code: 'request.not-found',
    })
  })

  it('is declared by the week', async () => {
    const always = { timeZone: 'UTC', days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const }
    const erp = new StubSystem({ name: 'erp', maintenance: [always] })
    await rig.startWorker([flowOn(erp)])
    await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).standing === 'maintenance')
    expect(erp.arrivals).toEqual([])
  })

  it('is refused when it is over, too long, or too far', async () => {
    await rig.journal.registerSystems([{ name: 'erp', address: 'erp' }])
    const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
    for (const body of [
      { until: day(-1) },
      { until: day(31) },
      { from: day(2), until: day(1) },
      { from: day(400), until: day(401) },
    ])
      expect(await rig.refused('setMaintenance', { name: 'erp', ...body })).toMatchObject({
        code: 'request.invalid',
      })
    expect(await rig.refused('setMaintenance', { name: 'nobody', until: day(1) })).toMatchObject({
      code: 'request.not-found',
    })
  })
})

describe('figures', () => {
  it('add up what workers wrote: percentiles, failures, charts, map', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(erp, { name: 'book' })])
    await rig.publish(...orders(['A', 'B'], 2))
    await rig.until(() => erp.applied.size === 4)
    const [ids] = await rig.sql<{ system: number; flow: number }>(
      'SELECT s.id AS system, f.id AS flow FROM systems s, flows f',
    )
    const minute = Math.floor(Date.now() / 60_000)
    const journal = rig.journal as unknown as {
      writeMinutes(worker: string, systems: unknown[], runs: unknown[]): Promise<void>
    }
    for (const [worker, ms] of [
      ['w1', 6],
      ['w2', 9],
      ['w2', 9],
    ] as const)
      await journal.writeMinutes(
        worker,
        [{ system: ids!.system, minute, calls: 10, failed: 1, totalMs: 100, hist: hist(ms, 10) }],
        [{ flow: ids!.flow, minute, finished: 5, parked: 0 }],
      )
    const now = await rig.ask('now', {})
    expect(now.systems).toMatchObject([
      { name: 'erp', recent: { calls: 30, failed: 3 }, limit: { kind: 'at-once', max: 16 } },
    ])
    const { p50, p95 } = now.systems[0]!.recent
    expect(p50).toBeGreaterThan(30)
    expect(p95).toBeLessThanOrEqual(50)
    const { slices, failed } = now.charts
    expect(slices.reduce((sum, slice) => sum + slice.accepted, 0)).toBe(4)
    expect(slices.reduce((sum, slice) => sum + slice.finished, 0)).toBe(15)
    expect(failed).toMatchObject([{ system: 'erp' }])
    expect(failed[0]!.counts.reduce((sum, count) => sum + count, 0)).toBe(3)
    expect(failed[0]!.counts).toHaveLength(slices.length)
    const map = await rig.ask('map', {})
    expect(map.sources).toMatchObject([{ source: 'urn:test:shop', perMinute: 0.8 }])
    expect(map.flows).toMatchObject([{ name: 'book', perMinute: 3, noun: 'order' }])
    expect(map.calls).toMatchObject([{ flow: 'book', system: 'erp', standing: 'connected' }])
    const { slices: history } = await rig.ask('systemHistory', { name: 'erp', hours: 1 })
    expect(history).toMatchObject([{ calls: 30, failed: 3 }])
  })
})

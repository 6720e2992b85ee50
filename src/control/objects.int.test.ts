/** Finding things, an object's story, and what a step would send, through the control API with a worker on real PostgreSQL. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orderPlaced, StubSystem } from '../../test/scenario/rig.ts'
import { defineFlow } from '../define/flow.ts'
import { FinalError } from '../errors.ts'
import { httpSystem } from '../systems/http.ts'
import { plain } from './sentence.ts'

let rig: ControlRig
let server: Server
let bodies: string[]
let status: number

beforeEach(async () => {
  rig = await openControlRig()
  bodies = []
  status = 422
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      bodies.push(body)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ id: 'R-7' }))
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
  server.closeAllConnections()
  server.close()
})

const erp = new StubSystem({ name: 'erp' })

/** A sale in the ERP, an invoice over HTTP, a shipment. */
function cash() {
  const depot = new StubSystem({ name: 'depot' })
  const accounting = httpSystem({
    name: 'accounting',
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  })
  return defineFlow('cash', { start: 'beginning' })
    .on(orderPlaced)
    .step('sale', erp.system, {
      run: ({ event, call }) => call.send(event.data).then(() => `SAL-${event.data.number}`),
      links: (result) => ({ order: result }),
    })
    .step('invoice', accounting, {
      after: ['sale'],
      run: ({ event, results, call }) =>
        call.post('/invoices', { sale: results.sale, revision: event.data.revision }),
    })
    .step('shipment', depot.system, { after: ['invoice'], run: ({ event, call }) => call.send(event.data) })
}

async function parkedOrder(): Promise<number> {
  await rig.startWorker([cash()])
  const [seq = 0] = await rig.publish({ number: 'SO-1', revision: 1 }, { number: 'SO-1', revision: 2 })
  await rig.until(async () => (await rig.ask('listRuns', { state: 'parked' })).items.length === 1)
  await rig.until(async () => (await rig.ask('listRuns', { state: 'waiting' })).items.length === 1)
  return seq
}

const words = (sentence: Parameters<typeof plain>[0]) => plain(sentence, () => 'then')

describe('search', () => {
  it('finds an order by its key, the beginning of it, its id in a system, and without regard to case', async () => {
    await parkedOrder()
    const objects = async (q: string) =>
      (await rig.ask('search', { q, kind: 'object' })).items.map(({ id, state, exact }) => [id, state, exact])
    expect(await objects('SO-1')).toEqual([['SO-1', 'parked', true]])
    expect(await objects('SO-')).toEqual([['SO-1', 'parked', false]])
    expect(await objects('so-1')).toEqual([['SO-1', 'parked', true]])
    expect(await objects('SAL-SO-1')).toEqual([['SO-1', 'parked', true]])
    expect(await objects('SO-1%')).toEqual([])
    const [hit] = (await rig.ask('search', { q: 'SAL-SO' })).items
    expect([hit?.id, words(hit?.about ?? [])]).toEqual(['SO-1', 'order, SAL-SO-1 in erp'])
  })

  it('finds events and runs by their ids, problems by words of their title, systems and flows by a part of their name', async () => {
    const seq = await parkedOrder()
    const first = async (q: string) => (await rig.ask('search', { q })).items[0]
    expect(await first(`cash/${seq}`)).toMatchObject({ kind: 'run', id: `cash/${seq}`, state: 'parked' })
    expect(await first('SO-1-2')).toMatchObject({ kind: 'event', text: 'SO-1-2', exact: true })
    expect(await first(String(seq))).toMatchObject({ kind: 'event', id: String(seq), exact: true })
    expect(await first('CCOUNT')).toMatchObject({ kind: 'system', id: 'accounting', exact: false })
    expect(await first('cash')).toMatchObject({ kind: 'flow', id: 'cash', exact: true })
    const [problem] = (await rig.ask('listProblems')).items
    expect(
      (await rig.ask('search', { q: problem!.title.slice(3, 20).toUpperCase(), kind: 'problem' })).items,
    ).toMatchObject([{ id: problem?.fingerprint, state: 'open' }])
    expect((await rig.ask('search', { q: 'no such thing' })).items).toEqual([])
  })
})

describe('objects', () => {
  it('are listed as last seen, by how their key begins, and by what is open, a page at a time', async () => {
    const stub = new StubSystem({ name: 'erp' })
    stub.answer = ({ order }) => {
      if (order.number === 'A-2') throw new FinalError('no tax code')
    }
    await rig.startWorker([flowOn(stub, { name: 'book' })])
    await rig.publish(...[1, 2, 3].map((n) => ({ number: `A-${n}`, revision: 1 })), {
      number: 'B-1',
      revision: 1,
    })
    await rig.publish({ number: 'A-1', revision: 2 })
    await rig.until(async () => (await rig.ask('listRuns', { state: 'succeeded' })).items.length === 4)
    const { items, next } = await rig.ask('listObjects', { limit: 2 })
    expect(items.map(({ key }) => key)).toEqual(['A-1', 'B-1'])
    const rest = await rig.ask('listObjects', { limit: 2, cursor: next ?? '' })
    expect(rest.items.map(({ key, state }) => [key, state])).toEqual([
      ['A-3', 'done'],
      ['A-2', 'parked'],
    ])
    const begun = await rig.ask('listObjects', { prefix: 'A-', limit: 2 })
    expect(begun.items.map(({ key }) => key)).toEqual(['A-1', 'A-2'])
    const third = await rig.ask('listObjects', { prefix: 'A-', limit: 2, cursor: begun.next ?? '' })
    expect([third.items.map(({ key }) => key), third.next]).toEqual([['A-3'], null])
    expect((await rig.ask('listObjects', { state: 'parked' })).items).toMatchObject([
      { key: 'A-2', state: 'parked', open: 1, type: 'order.placed' },
    ])
  })
})

describe('an object', () => {
  it('tells where it is stuck, how far it came, its ids, what waits, and who did what', async () => {
    const seq = await parkedOrder()
    const { fingerprint } = (await rig.ask('listProblems')).items[0]!
    await rig.ask('changeProblem', { fingerprint, state: 'acknowledged', note: 'asked the tax office' })
    const object = await rig.ask('getObject', { key: 'SO-1' })
    expect(words(object.verdict)).toMatch(
      /^Stuck at accounting since then: .*422.*\. 1 more run is not done\.$/,
    )
    expect(object).toMatchObject({
      kind: 'order',
      state: 'parked',
      events: 2,
      next: null,
      links: [{ system: 'erp', external: 'SAL-SO-1' }],
      open: [
        { seq, state: 'parked', system: 'accounting', step: 'invoice', problem: fingerprint },
        { seq: seq + 1, state: 'waiting' },
      ],
      systems: ['urn:test:shop', 'erp', 'accounting'],
      journey: {
        seq,
        steps: [
          { name: 'sale', state: 'done', external: 'SAL-SO-1' },
          { name: 'invoice', state: 'failed', external: null },
          { name: 'shipment', state: 'pending' },
        ],
      },
    })
    expect(object.story.map(({ kind, system, step }) => [kind, system, step])).toEqual(
      expect.arrayContaining([
        ['event', 'urn:test:shop', null],
        ['step', 'erp', 'sale'],
        ['attempt', 'accounting', 'invoice'],
        ['act', null, null],
      ]),
    )
    const attempt = object.story.find((entry) => entry.kind === 'attempt')
    expect(attempt).toMatchObject({ status: 422, final: true, run: { flow: 'cash', seq } })
    const waits = object.story.find((entry) => entry.kind === 'run')
    expect(words(waits?.why ?? [])).toContain('waits behind')
    expect(object.story.find((entry) => entry.kind === 'act')).toMatchObject({ verb: 'acknowledge' })
    const times = object.story.map(({ at }) => at)
    expect(times).toEqual(times.toSorted())
    const found = await rig.ask('findObject', { system: 'erp', external: 'SAL-SO-1' })
    expect(found.key).toBe('SO-1')
    expect(await rig.refused('findObject', { system: 'erp', external: 'nobody' })).toMatchObject({
      status: 404,
    })
    expect(await rig.refused('getObject', { key: 'SO-9' })).toMatchObject({ status: 404 })
  })

  it('goes on with what is older, and counts events of a system under the id that it has there', async () => {
    const stub = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(stub, { name: 'book' })])
    await rig.publish(...[1, 2, 3].map((revision) => ({ number: 'SO-1', revision })))
    await rig.ask('setLink', {
      kind: 'order',
      id: 'SO-1',
      system: 'urn:test:shop',
      external: '77',
      reason: 'seen',
    })
    await rig.publish({ number: '77', revision: 4 })
    await rig.until(async () => (await rig.ask('listRuns', { state: 'succeeded' })).items.length === 4)
    const page = await rig.ask('getObject', { key: 'SO-1', limit: 3 })
    const keys = (story: typeof page.story) =>
      story.flatMap((entry) => (entry.kind === 'event' ? entry.key : []))
    expect(keys(page.story)).toEqual(['SO-1', 'SO-1', '77'])
    expect(words(page.verdict)).toBe('All is done: 3 events, the last one then.')
    const older = await rig.ask('getObject', { key: 'SO-1', limit: 3, before: Number(page.next) })
    expect([keys(older.story), older.next]).toEqual([['SO-1'], null])
  })

  it('has a key of up to 255 characters, with any sign in it', async () => {
    const number = `a/b?c=%20&d ${'é'.repeat(100)}`
    await rig.publish({ number, revision: 1 })
    expect((await rig.ask('getObject', { key: number })).events).toBe(1)
    expect(await rig.refused('getObject', { key: 'x'.repeat(255) })).toMatchObject({
      status: 404,
      code: 'request.not-found',
    })
  })
})

describe('a run', () => {
  it('says what may be done to it, what it sends as key and trace, and who did what', async () => {
    const seq = await parkedOrder()
    const run = await rig.ask('getRun', { flow: 'cash', seq })
    expect(run.acts).toEqual(['retry', 'skip', 'compensate'])
    expect(run.steps.map(({ name, acts, ids }) => [name, acts, ids.length])).toEqual([
      ['sale', [], 1],
      ['invoice', ['edit', 'result', 'skip'], 0],
      ['shipment', ['edit', 'result', 'skip'], 0],
    ])
    const sent = run.history.find(({ step }) => step === 'invoice')?.request ?? ''
    expect(sent).toContain(`idempotency-key: ${run.steps[1]?.idempotencyKey}`)
    expect(run.lane).toMatchObject({ before: 0, behind: 1 })
    await rig.ask('skipStep', { flow: 'cash', seq, step: 'invoice', reason: 'a gift' })
    const { audit, steps } = await rig.ask('getRun', { flow: 'cash', seq })
    expect(audit).toMatchObject([
      { verb: 'skip', object: `step invoice of run cash/${seq}`, reason: 'a gift' },
    ])
    expect(sent).toContain(`traceparent: 00-${run.steps[1]?.traceId}-`)
    expect(steps[1]?.state).toBe('skipped')
  })

  it('shows what an edit would send beside what was sent, and sends nothing before it is told to', async () => {
    const seq = await parkedOrder()
    const at = { flow: 'cash', seq, step: 'invoice' }
    const asIs = await rig.ask('previewStep', at)
    expect(asIs).toMatchObject({ result: 'same', differences: [], refused: null })
    expect(asIs.keys.before).toBe(asIs.keys.now)
    const edited = await rig.ask('previewStep', { ...at, data: { number: 'SO-1', revision: 9 } })
    expect(edited).toMatchObject({
      result: 'changed',
      differences: [{ field: '/revision', before: '1', now: '9' }],
      input: {
        before: { number: 'SO-1', revision: 1 },
        differences: [{ field: '/revision', before: '1', now: '9' }],
      },
      refused: null,
    })
    expect(edited.keys.before).not.toBe(edited.keys.now)
    expect(edited.request).toContain(`idempotency-key: ${edited.keys.now}`)
    expect(edited.happens.map(words)).toEqual([
      'invoice is sent to accounting under a new idempotency key',
      'then shipment',
      'then 1 run of SO-1 that waits behind it',
    ])
    const wrong = await rig.ask('previewStep', { ...at, data: { number: 7 } })
    expect(wrong.result).toBe('not-shown')
    expect(wrong.why).toContain('does not pass the contract')
    expect((await rig.ask('previewStep', { ...at, step: 'sale', data: {} })).refused).toContain('is done')
    expect(await rig.refused('previewStep', { ...at, step: 'none' })).toMatchObject({ status: 422 })
    expect(bodies).toHaveLength(1)
    status = 200
    await rig.ask('editStep', { ...at, data: { number: 'SO-1', revision: 9 } })
    await rig.until(async () => (await rig.ask('listRuns', { state: 'succeeded' })).items.length === 2)
    expect(bodies.slice(0, 2).map((body) => JSON.parse(body) as unknown)).toEqual([
      { sale: 'SAL-SO-1', revision: 1 },
      { sale: 'SAL-SO-1', revision: 9 },
    ])
    const sent = (await rig.ask('getRun', { flow: 'cash', seq })).steps[1]
    expect(sent?.idempotencyKey).toBe(edited.keys.now)
  })
})

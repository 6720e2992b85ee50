import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BusbarError, FinalError } from '../errors.ts'
import type { Database } from '../journal/database.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, newEvent, orders, StubSystem } from '../../test/scenario/rig.ts'
import { createControlClient } from './client.ts'
import { accessRoutes } from './access-routes.ts'
import type { RouteId } from './route-table.ts'
import { apiPrefix, routes } from './route-table.ts'
import { registerControl } from './routes.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

/** Orders A and B; those of A are parked, the rest has succeeded. */
async function someRuns(): Promise<{ erp: StubSystem; parked: number; done: number }> {
  const erp = new StubSystem({ name: 'erp' })
  erp.answer = ({ order }) => {
    if (order.number === 'A') throw new FinalError('no tax code')
  }
  const worker = await rig.startWorker([flowOn(erp, { name: 'book' })])
  const [parked, done] = await rig.publish(...orders(['A', 'B'], 2))
  await rig.until(async () => {
    const { flows, open } = await rig.ask('status')
    return flows[0]?.pending === 0 && open.parked === 1 && open.waiting === 1
  })
  await worker.stop()
  return { erp, parked: parked!, done: done! }
}

/** Rows of the outbox as a relay leaves them; answers their ids. */
async function someRejected(count: number): Promise<number[]> {
  const rows = await rig.sql<{ id: number }>(
    `WITH published AS (SELECT publish('order.placed', 'A', jsonb_build_object('number', i)) FROM generate_series(1, $1::int) i)
     SELECT count(*) FROM published`,
    [count],
  )
  expect(rows).toHaveLength(1)
  await rig.sql(
    `SELECT move_outbox('{}', '', '', '', '', '{}', '', '', array_agg(id), array_agg('event.invalid'::text), array_agg('/data/number must be text'::text))
     FROM outbox`,
  )
  return (await rig.sql<{ id: number }>('SELECT id::int FROM outbox_rejected ORDER BY id')).map(
    ({ id }) => id,
  )
}

/** One that awaits something after this event. */
async function anExpectation(seq: number): Promise<void> {
  await rig.sql(
    `INSERT INTO expectations (name, print, declaration, look_back_ms, position, moved_at)
     VALUES ('answered', '', '{"after": "order.placed", "expected": "order.changed", "within": "2 h"}', 0, 0, clock_timestamp())`,
  )
  await rig.sql(
    `INSERT INTO expected (expectation, seq, key, opened_at, due_at, state)
     SELECT id, $1, 'A', clock_timestamp(), clock_timestamp(), 1 FROM expectations`,
    [seq],
  )
}

/** They need runs of several steps: see steps.int.test.ts; a broker: see test/rabbitmq/queues.int.test.ts; a live worker: see systems.int.test.ts; a hub: see test/scenario/events-and-catalog.int.test.ts; or people: see access.int.test.ts. */
const elsewhere = [
  ...(Object.keys(accessRoutes) as (keyof typeof accessRoutes)[]),
  ...([
    'compensateRun',
    'previewStep',
    'editStep',
    'supplyResult',
    'skipStep',
    'approveStep',
    'refuseStep',
  ] as const),
  'removeQueue',
  'publishTest',
  ...(['testSystem', 'endMaintenance'] as const),
] as const
type Elsewhere = (typeof elsewhere)[number]

describe('answers', () => {
  it('of every operation are what its schema says', async () => {
    const { parked, done } = await someRuns()
    await anExpectation(parked)
    await rig.ask('setLink', {
      kind: 'order',
      id: 'A',
      system: 'crm',
      external: '4711',
      reason: 'seen there',
    })
    await rig.sql(
      `INSERT INTO flows (name, grp, ord, version, types, type_after, declaration, from_seq) VALUES ('gone', 'gone', 0, 1, '{}', '{}', '{"steps": []}', 0)`,
    )
    await rig.sql(
      `INSERT INTO alert_channels (name, hub, kind, address, tells) VALUES ('office', 'test', 'slack', 'x', '{new}')`,
    )
    const { fingerprint } = (await rig.ask('listProblems')).items[0]!
    const [mended, dropped] = await someRejected(2)
    const planned = { flow: 'book', key: 'B', keys: 'same', reason: 'a test' } as const
    const { id } = await rig.ask('planReplay', planned)
    await rig.sql('UPDATE runs SET state = 4, fp = $1 WHERE state = 1', [fingerprint])
    const bulk = { verb: 'retry', problem: fingerprint } as const
    const { id: act } = await rig.ask('planBulkAct', bulk)
    const inputs: { [Id in Exclude<RouteId, Elsewhere>]: Parameters<typeof rig.ask<Id>>[1] } = {
      status: {},
      now: { hours: 1 },
      map: { minutes: 60 },
      search: { q: 'A' },
      listObjects: { state: 'open' },
      findObject: { system: 'crm', external: '4711' },
      getObject: { key: 'A' },
      listEvents: { type: 'order.placed' },
      findEvent: { source: 'urn:test:shop', id: 'A-1' },
      listRefused: { door: 'events', code: 'event.invalid' },
      getEvent: { seq: parked },
      readCatalog: {},
      asyncApi: {},
      doorOpenApi: {},
      listRuns: { state: 'open', system: 'erp', flow: 'book', from: '2020-01-01T00:00:00Z' },
      getRun: { flow: 'book', seq: done },
      retryRun: { flow: 'book', seq: parked, mayDouble: false },
      skipRun: { flow: 'book', seq: parked, reason: 'booked by hand' },
      retryRuns: { state: 'retrying' },
      listLinks: { kind: 'order', id: 'A' },
      setLink: { kind: 'order', id: 'A', system: 'erp', external: '1', reason: 'seen there' },
      removeLink: { kind: 'order', id: 'A', system: 'erp', reason: 'seen there' },
      planReplay: planned,
      listReplays: {},
      getReplay: { id, outcome: 'left' },
      compareReplay: { id, sample: 5 },
      startReplay: { id },
      pauseReplay: { id },
      resumeReplay: { id },
      cancelReplay: { id, reason: 'enough' },
      listSystems: {},
      getSystem: { name: 'erp' },
      pauseSystem: { name: 'erp', reason: 'year end' },
      resumeSystem: { name: 'erp' },
      systemHistory: { name: 'erp', hours: 2 },
      setMaintenance: { name: 'erp', until: new Date(Date.now() + 3_600_000).toISOString() },
      listGroups: {},
      pauseGroup: { name: 'book' },
      resumeGroup: { name: 'book' },
      listFlows: {},
      removeFlow: { name: 'gone', reason: 'retired' },
      listProblems: { flow: 'book' },
      listProblemGroups: { by: 'flow' },
      getProblem: { fingerprint },
      listProblemRuns: { fingerprint, state: 'parked' },
      changeProblem: { fingerprint, note: 'seen' },
      planBulkAct: bulk,
      listBulkActs: { problem: fingerprint },
      getBulkAct: { id: act, outcome: 'left' },
      startBulkAct: { id: act },
      pauseBulkAct: { id: act },
      resumeBulkAct: { id: act },
      cancelBulkAct: { id: act, reason: 'enough' },
      readOutbox: { code: 'event.invalid', type: 'order.placed' },
      getRejected: { id: mended! },
      retryRejected: { id: mended!, data: '{"number":"A"}', reason: 'typing error' },
      discardRejected: { id: dropped!, reason: 'a test order' },
      retryManyRejected: { type: 'order.placed' },
      readTransport: {},
      listExpectations: {},
      listAwaited: { name: 'answered', state: 'open' },
      cancelAwaited: { name: 'answered', seq: parked, reason: 'by telephone' },
      listAlertChannels: {},
      listAlertDeliveries: { channel: 'office', before: 10 },
      testAlertChannel: { name: 'office', reason: 'a new number' },
      listWorkers: {},
      stats: { minutes: 600 },
      listAudit: { actor: 'local', verb: 'skip', kind: 'run' },
      verifyAudit: {},
    }
    expect(Object.keys(inputs)).toEqual(
      Object.keys(routes).filter((id) => !(elsewhere as readonly string[]).includes(id)),
    )
    for (const [id, input] of Object.entries(inputs)) await rig.ask(id as RouteId, input)
  })

  it('show what there is: flows, problems, workers, statistics', async () => {
    await someRuns()
    const { items: flows } = await rig.ask('listFlows')
    expect(flows).toMatchObject([
      {
        flow: 'book',
        group: 'book',
        pending: 0,
        exact: true,
        position: 4,
        steps: [{ name: 'send', kind: 'call', after: [], system: 'erp' }],
        open: { parked: 1, waiting: 1 },
      },
    ])
    expect((await rig.ask('listProblems')).items).toMatchObject([
      {
        system: 'erp',
        state: 'open',
        open: 1,
        parked: 1,
        title: expect.stringContaining('no tax code') as string,
      },
    ])
    await rig.startWorker([], { id: `${rig.schema}-second` })
    expect((await rig.ask('listWorkers')).items).toMatchObject([
      { id: `${rig.schema}-second`, state: 'live', draining: false, roles: ['worker'], groups: [], left: [] },
    ])
    const [ids] = await rig.sql<{ flow: number; system: number }>('SELECT flow, system FROM runs LIMIT 1')
    const minute = Math.floor(Date.now() / 60_000)
    const stat = { ...ids!, minute, outcome: 'succeeded', count: 3, totalMs: 31, maxMs: 20 }
    await rig.journal.writeStats('w1', [stat])
    await rig.journal.writeStats('w2', [{ ...stat, count: 1, totalMs: 10, maxMs: 30 }])
    const { slices, sliceMinutes } = await rig.ask('stats')
    expect(sliceMinutes).toBe(1)
    expect(slices).toEqual([
      {
        at: new Date(minute * 60_000).toISOString(),
        flow: 'book',
        system: 'erp',
        outcome: 'succeeded',
        count: 4,
        meanMs: 10.3,
        maxMs: 30,
      },
    ])
    expect(await rig.ask('stats', { minutes: 10_080 })).toMatchObject({
      sliceMinutes: 120,
      slices: [{ count: 4 }],
    })
    // Of whole hours, added up with the minutes of the hour that has begun.
    const twoHoursAgo = { ...stat, minute: minute - 120, count: 5, totalMs: 50 }
    await rig.journal.writeStats('w1', [twoHoursAgo, { ...twoHoursAgo, minute: minute - 119 }])
    const week = await rig.ask('stats', { minutes: 10_080 })
    expect(week.slices.reduce((sum, slice) => sum + slice.count, 0)).toBe(14)
    const until = new Date((minute - 119) * 60_000).toISOString()
    const before = await rig.ask('stats', { minutes: 10_080, until })
    expect(before.slices).toMatchObject([{ count: 5, meanMs: 10, maxMs: 20 }])
    expect((await rig.ask('stats', { until: '2020-01-01T00:00:00Z' })).slices).toEqual([])
  })

  it('count what is pending, and estimate it beyond the scan', async () => {
    const erp = new StubSystem({ name: 'erp' })
    const worker = await rig.startWorker([flowOn(erp)])
    await worker.stop()
    const many = Array.from({ length: 5_000 }, (_, index) => ({
      ...newEvent({ number: `N${index}`, revision: 1 }),
      type: index % 2 === 0 ? 'order.placed' : 'invoice.posted',
    }))
    await rig.journal.append(many.slice(0, 1_500))
    expect((await rig.ask('listGroups')).items).toMatchObject([{ pending: 750, exact: true, position: 0 }])
    await rig.journal.append(many.slice(1_500))
    const [group] = (await rig.ask('listGroups')).items
    expect(group).toMatchObject({ pending: 2_500, exact: false, head: 5_000 })
    expect(group?.oldestPendingAt).not.toBeNull()
    const status = await rig.ask('status')
    expect(status).toMatchObject({ ok: false, workers: { live: 0, late: 0 } })
    expect(JSON.stringify(status.sentence)).toContain('No live worker')
  })

  it('estimate what is pending sooner where many flows are behind', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `flow-${index}`)
    const erp = new StubSystem({ name: 'erp' })
    const worker = await rig.startWorker(names.map((name) => flowOn(erp, { name })))
    await worker.stop()
    await rig.journal.append(
      Array.from({ length: 1_500 }, (_, index) => ({
        ...newEvent({ number: `N${index}`, revision: 1 }),
        type: index % 2 === 0 ? 'order.placed' : 'invoice.posted',
      })),
    )
    const flows = (await rig.ask('status')).flows.map(({ pending, exact }) => ({ pending, exact }))
    expect(flows).toEqual(names.map(() => ({ pending: 750, exact: false })))
  })

  it('take any name that a flow may have', async () => {
    const erp = new StubSystem({ name: 'erp' })
    const name = `a${'/b'.repeat(39)}`
    await rig.startWorker([flowOn(erp, { name })])
    const [seq] = await rig.publish({ number: 'A', revision: 1 })
    await rig.until(async () => (await rig.ask('listRuns', { flow: name })).items.length === 1)
    expect(await rig.ask('getRun', { flow: name, seq: seq! })).toMatchObject({
      flow: name,
      state: 'succeeded',
    })
    expect(await rig.ask('pauseGroup', { name })).toEqual({ name, paused: true })
  })

  it('keep every digit of a number', async () => {
    const event = {
      ...newEvent({ number: 'A', revision: 1 }),
      data: '{"id":12345678901234567890,"price":1.10}',
    }
    await rig.journal.append([event])
    const response = await rig.app.inject(`${apiPrefix}/events/1`)
    expect(response.body).toContain('"data":{"id":12345678901234567890,"price":1.10}')
  })
})

describe('paging', () => {
  it('shows each run once, whatever is published meanwhile', async () => {
    const erp = new StubSystem({ name: 'erp' })
    await rig.startWorker([flowOn(erp), flowOn(erp, { name: 'copy' })])
    const published = await rig.publish(...orders(['A', 'B', 'C', 'D', 'E'], 5))
    await rig.until(
      async () =>
        erp.arrivals.length === 50 && (await rig.ask('status')).flows.every(({ pending }) => pending === 0),
    )
    const seen: string[] = []
    let cursor: string | undefined
    let rest = 0
    do {
      const page = await rig.ask('listRuns', { limit: 7, cursor })
      seen.push(...page.items.map(({ flow, seq }) => `${flow}/${seq}`))
      cursor = page.next ?? undefined
      const id = `late-${++rest}`
      await rig.publish({ number: id, revision: 1 })
      await rig.until(() => erp.applied.size === 50 + 2 * rest)
    } while (cursor !== undefined)
    const expected = published.flatMap((seq) => [`erp/${seq}`, `copy/${seq}`])
    expect(seen.toSorted()).toEqual(expected.toSorted())
    expect(seen.map((run) => Number(run.split('/')[1]))).toEqual(
      published.flatMap((seq) => [seq, seq]).reverse(),
    )
  })

  it('goes through events, problems and the audit trail, too', async () => {
    await rig.publish(...orders(['A'], 5))
    const events = await rig.ask('listEvents', { limit: 3 })
    expect(events.items.map(({ seq }) => seq)).toEqual([5, 4, 3])
    expect(
      (await rig.ask('listEvents', { before: Number(events.next) })).items.map(({ seq }) => seq),
    ).toEqual([2, 1])

    for (const [index, name] of ['one two', 'b', 'c'].entries())
      await rig.sql(
        `INSERT INTO problems (fp, system, code, title, last_seen) VALUES ($1, 'erp', 'call.invalid', 'x', '2026-01-01 12:00:00.00000${index}Z')`,
        [name],
      )
    const problems = await rig.ask('listProblems', { limit: 2 })
    expect(problems.items.map(({ fingerprint }) => fingerprint)).toEqual(['c', 'b'])
    const more = await rig.ask('listProblems', { limit: 2, cursor: problems.next! })
    expect(more).toMatchObject({ items: [{ fingerprint: 'one two' }], next: null })

    await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
    await rig.ask('pauseSystem', { name: 'erp' })
    await rig.ask('resumeSystem', { name: 'erp' })
    const audit = await rig.ask('listAudit', { limit: 1 })
    expect(audit.items).toMatchObject([{ verb: 'resume' }])
    expect(await rig.ask('listAudit', { before: Number(audit.next) })).toMatchObject({
      items: [{ verb: 'pause' }],
      next: null,
    })
  })
})

describe('refusals', () => {
  it('name every fault of a request and where it is', async () => {
    expect(await rig.refused('listRuns', { limit: 0, state: 'lost', colour: 'red' })).toMatchObject({
      status: 422,
      code: 'request.invalid',
      errors: [{ pointer: '/query/state' }, { pointer: '/query/limit' }, { pointer: '/query/colour' }],
    })
    expect(await rig.refused('getEvent', { seq: 'x' })).toMatchObject({
      status: 422,
      errors: [{ pointer: '/params/seq' }],
    })
    const odd = { flow: 'a', seq: 1, mayDouble: 'yes', why: 1 }
    expect(await rig.refused('retryRun', odd)).toMatchObject({
      errors: [{ pointer: '/body/mayDouble' }, { pointer: '/body/why' }],
    })
    expect(await rig.refused('listRuns', { key: 'a\0b' })).toMatchObject({
      errors: [{ pointer: '/query/key' }],
    })
    expect(await rig.refused('listProblems', { cursor: 'nonsense' })).toMatchObject({ status: 422 })
  })

  it('cover what is not there, not JSON, too large, or sent by another site', async () => {
    const post = async (payload: string, type = 'application/json') => {
      const url = `${apiPrefix}/systems/erp/pause`
      const response = await rig.app.inject({
        method: 'POST',
        url,
        payload,
        headers: { 'content-type': type },
      })
      return [response.statusCode, response.json<{ code: string }>().code]
    }
    expect(await post('{')).toEqual([400, 'request.malformed'])
    expect(await post('')).toEqual([400, 'request.malformed'])
    expect(await post('[]')).toEqual([422, 'request.invalid'])
    expect(await post('{}', 'text/plain')).toEqual([415, 'request.unsupported-media-type'])
    expect(await post(`{"reason":"${'x'.repeat(300_000)}"}`)).toEqual([413, 'event.too-large'])
    expect(await post('{}')).toEqual([404, 'request.not-found'])
    const nowhere = await rig.app.inject(`${apiPrefix}/nowhere`)
    expect([nowhere.statusCode, nowhere.json<{ code: string }>().code]).toEqual([404, 'request.not-found'])
    expect(await rig.refused('getEvent', { seq: 7 })).toMatchObject({
      status: 404,
      detail: 'there is no event 7',
    })
    expect(await rig.refused('getRun', { flow: 'x', seq: 7 })).toMatchObject({ status: 404 })
    expect(await rig.refused('getSystem', { name: 'x' })).toMatchObject({ status: 404 })
    expect(await rig.refused('findEvent', { source: 'x', id: 'y' })).toMatchObject({ status: 404 })
  })
})

describe('failures', () => {
  it('of the journal are 503, those of busbar itself 500 without a word about the inside', async () => {
    let error: Error = new BusbarError('journal.unavailable', 'the database does not answer')
    const app = Fastify()
    const seen: unknown[] = []
    const database: Database = { ...rig.database, query: () => Promise.reject(error) }
    registerControl(app, { database: () => database, onError: (one) => seen.push(one) })
    const away = await app.inject(`${apiPrefix}/systems`)
    expect([away.statusCode, away.headers['retry-after']]).toEqual([503, '1'])
    error = new TypeError('secret of the house')
    const broken = await app.inject(`${apiPrefix}/systems`)
    expect(broken.statusCode).toBe(500)
    expect(broken.body).not.toContain('secret')
    expect(seen).toHaveLength(2)
    await app.close()
  })
})

describe('the client', () => {
  it('speaks to the API by the same table, and throws what the API refuses', async () => {
    const { parked } = await someRuns()
    const url = await rig.app.listen({ port: 0, host: '127.0.0.1' })
    const client = createControlClient({ url: `${url}/` })
    expect((await client.status()).open.parked).toBe(1)
    expect((await client.listRuns({ state: 'parked' })).items).toMatchObject([{ flow: 'book', seq: parked }])
    expect(await client.skipRun({ flow: 'book', seq: parked, reason: 'by hand' })).toMatchObject({
      after: 'skipped',
    })
    await expect(client.retryRun({ flow: 'book', seq: parked })).rejects.toMatchObject({
      code: 'act.refused',
      message: expect.stringContaining('has ended and cannot be retried') as string,
      details: { status: 409, state: 'skipped' },
    })
    await expect(client.listRuns({ limit: 0 })).rejects.toMatchObject({
      code: 'request.invalid',
      details: { faults: [{ pointer: '/query/limit' }] },
    })
    await expect(client.getEvent({ seq: 99 })).rejects.toMatchObject({ code: 'request.not-found' })
  })

  it('says when nobody answers, or somebody else does', async () => {
    const closed = await closedAddress()
    const nobody = createControlClient({ url: closed })
    await expect(nobody.status()).rejects.toMatchObject({
      code: 'call.unavailable',
      message: expect.stringMatching(
        /^nobody answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)/,
      ) as string,
    })
    await expect(nobody.resumeGroup({ name: 'a' })).rejects.toMatchObject({ code: 'call.unavailable' })
    rig.app.server.removeAllListeners('request').on('request', (_request, response) => response.end('<html>'))
    const url = await rig.app.listen({ port: 0, host: '127.0.0.1' })
    await expect(createControlClient({ url }).status()).rejects.toMatchObject({
      message: expect.stringContaining('is not busbar') as string,
    })
    rig.app.server.removeAllListeners('request').on('request', (request) => request.socket.destroy())
    await expect(createControlClient({ url }).resumeGroup({ name: 'a' })).rejects.toMatchObject({
      code: 'call.unknown-outcome',
    })
  })
})

/** An address at which nobody listens any more. */
async function closedAddress(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

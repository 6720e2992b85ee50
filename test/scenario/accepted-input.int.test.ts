import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Principal } from '../../src/ingress/principal.ts'
import type { Answer, Door } from './door.ts'
import { batched, binary, event, eventWith, openDoor, structured } from './door.ts'
import { databaseUrl } from './rig.ts'

const summary = ({ status, json }: Answer) => [status, json['code']]

describe('good input', () => {
  let door: Door
  beforeEach(async () => {
    door = await openDoor()
  })
  afterEach(() => door[Symbol.asyncDispose]())

  /** As it is on no server's own output: white space, escapes, numbers that a double cannot hold. */
  const data =
    '{ "number" : "SO-\\u00e4\\ud83d\\ude00",\n\t"amount": 19.90, "exact": 12345678901234567890.10, "e": 1E+2 }'

  it('is stored byte for byte in all three modes', async () => {
    const attributes = `"specversion":"1.0","source":"urn:shop","type":"order.placed"`
    const answers = [
      await door.send({ body: `{ "data": ${data} , "id":"structured",${attributes}}` }),
      await door.send({ headers: { ...binary, 'ce-id': 'binary' }, body: data }),
      await door.send({
        headers: batched,
        body: `[ {"id":"first",${attributes},"data":${data}} , {"data":${data},"id":"second",${attributes}} ]`,
      }),
    ]
    expect(answers.map(({ status, json }) => [status, json])).toEqual([
      [202, { id: 'structured', seq: 1, duplicate: false }],
      [202, { id: 'binary', seq: 2, duplicate: false }],
      [
        202,
        [
          { id: 'first', seq: 3, duplicate: false },
          { id: 'second', seq: 4, duplicate: false },
        ],
      ],
    ])
    expect(await door.stored()).toEqual(
      ['structured', 'binary', 'first', 'second'].map((id) => `${id}=${data}`),
    )
    expect(
      await door.sql('SELECT DISTINCT key, data::jsonb ->> $1 AS number FROM events', ['number']),
    ).toEqual([{ key: 'SO-ä😀', number: 'SO-ä😀' }])
  })

  it('keeps the attributes', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const headers = {
      ...binary,
      'ce-id': '%E2%82%AC%201',
      'ce-subject': '"the subject"',
      'ce-time': '2026-01-31T12:00:00Z',
      'ce-traceparent': traceparent,
      'ce-sequence': '7',
    }
    expect((await door.send({ headers, body: data })).status).toBe(202)
    const [row] = await door.sql<{ id: string; ext: string }>('SELECT id, ext FROM events')
    expect(row?.id).toBe('€ 1')
    expect(JSON.parse(row?.ext ?? '')).toEqual({
      ...{ subject: 'the subject', time: '2026-01-31T12:00:00Z', datacontenttype: 'application/json' },
      extensions: { traceparent, sequence: '7' },
    })
  })

  it('may be an empty batch', async () => {
    expect(await door.send({ headers: batched, body: '[]' })).toMatchObject({ status: 202, json: [] })
  })

  it('that came before is a duplicate with the first seq, also written in another way', async () => {
    await door.send({ body: eventWith('a', '{"number":"A","lines":[]}') })
    await door.send({ body: event('b') })
    for (const again of ['{"number":"A","lines":[]}', '{ "lines":[ ], "number":"\\u0041" }'])
      expect((await door.send({ body: eventWith('a', again) })).json).toEqual({
        id: 'a',
        seq: 1,
        duplicate: true,
      })
    expect(await door.stored()).toHaveLength(2)
    expect(await door.sql('SELECT * FROM refusals')).toEqual([])
  })

  it('of a known id with other data is a conflict, and recorded', async () => {
    await door.send({ body: event('a') })
    const answer = await door.send({ body: event('a', { data: { number: 'other' } }) })
    expect(answer).toMatchObject({
      status: 409,
      headers: { 'content-type': expect.stringContaining('problem+json') as string },
    })
    expect(answer.json).toMatchObject({
      code: 'event.conflict',
      status: 409,
      id: 'a',
      source: 'urn:shop',
      seq: 1,
    })
    expect(await door.stored()).toEqual(['a={"number":"a"}'])
    expect(await door.sql('SELECT source, id, type, code, seq::int FROM refusals')).toEqual([
      { source: 'urn:shop', id: 'a', type: 'order.placed', code: 'event.conflict', seq: 1 },
    ])
  })

  it('in a batch is answered for item by item, a conflict among them with 409', async () => {
    await door.send({ body: event('a') })
    const items = [event('a'), event('b'), event('a', { data: { number: 'other' } }), event('b')]
    const answer = await door.send({ headers: batched, body: `[${items.join(',')}]` })
    expect(summary(answer)).toEqual([409, 'event.conflict'])
    const seq = 3 // the batch's first item took seq 2 and gave it back
    expect(answer.json['items']).toMatchObject([
      { id: 'a', seq: 1, duplicate: true },
      { id: 'b', seq, duplicate: false },
      { id: 'a', seq: 1, error: { code: 'event.conflict' } },
      { id: 'b', seq, duplicate: true },
    ])
    expect(await door.stored()).toEqual(['a={"number":"a"}', 'b={"number":"b"}'])
  })

  it('from many senders at once is stored once each', async () => {
    const ids = Array.from({ length: 40 }, (_, at) => `e${at % 10}`)
    const answers = await Promise.all(ids.map((id) => door.send({ body: event(id) })))
    expect(answers.every(({ status }) => status === 202)).toBe(true)
    expect(answers.filter(({ json }) => json['duplicate'] === false)).toHaveLength(10)
    for (const id of new Set(ids))
      expect(
        new Set(answers.filter(({ json }) => json['id'] === id).map(({ json }) => json['seq'])).size,
      ).toBe(1)
    expect(await door.stored()).toHaveLength(10)
  })
})

describe('when the journal does not keep up', () => {
  let door: Door
  beforeEach(async () => {
    door = await openDoor({ http: { maxPending: { events: 2, bytes: 1_000_000 } } })
  })
  afterEach(() => door[Symbol.asyncDispose]())

  const sessions = () => [`busbar:${door.schema}`]
  const waiting = `FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'advisory'`
  const appendWaits = () =>
    vi.waitFor(async () => expect(await door.sql(`SELECT 1 ${waiting}`, sessions())).toHaveLength(1), 10_000)

  /** A session that holds the lock that every append takes. */
  async function holdAppends(): Promise<AsyncDisposable> {
    const client = new pg.Client({ connectionString: databaseUrl, options: `-c search_path=${door.schema}` })
    await client.connect()
    await client.query(`SELECT pg_advisory_lock(('events'::regclass::oid::bigint << 16) | 1)`)
    return { [Symbol.asyncDispose]: () => client.end() }
  }

  it('answers 503 with Retry-After to what it has no room for, and stores the rest', async () => {
    const hold = await holdAppends()
    const first = door.send({ body: event('first') })
    await appendWaits()
    const burst = ['a', 'b', 'c', 'd', 'e'].map((id) => door.send({ body: event(id) }))
    await vi.waitFor(() => expect(door.refused).toEqual(Array(3).fill('overloaded')), 10_000)
    await hold[Symbol.asyncDispose]()
    expect((await first).status).toBe(202)
    const answers = await Promise.all(burst)
    const refused = answers.filter(({ status }) => status === 503)
    expect(refused.map(summary)).toEqual(Array(3).fill([503, 'overloaded']))
    for (const { headers } of refused) expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    const taken = answers.filter(({ status }) => status === 202).map(({ json }) => json['id'] as string)
    expect((await door.stored()).sort()).toEqual(
      [...taken, 'first'].map((id) => `${id}={"number":"${id}"}`).sort(),
    )
  })

  it('takes a batch that is larger than all its room, when nothing waits', async () => {
    const ids = Array.from({ length: 600 }, (_, at) => `e${at}`)
    const answer = await door.send({ headers: batched, body: `[${ids.map((id) => event(id)).join(',')}]` })
    expect(answer.status).toBe(202)
    expect(await door.stored()).toHaveLength(600)
  })

  it('answers 503 when it is not known whether an event was stored; sent again, it is stored once', async () => {
    const hold = await holdAppends()
    const lost = door.send({ body: event('lost') })
    await appendWaits()
    await door.sql(`SELECT pg_terminate_backend(pid) ${waiting}`, sessions())
    const answer = await lost
    await hold[Symbol.asyncDispose]()
    expect(summary(answer)).toEqual([503, 'journal.unavailable'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect((await door.send({ body: event('lost') })).status).toBe(202)
    expect(await door.stored()).toEqual(['lost={"number":"lost"}'])
  })
})

describe('with API keys', () => {
  let door: Door
  const keys: Record<string, Principal> = {
    bb_publish: { id: 'shop', scopes: ['publish'] },
    bb_read: { id: 'viewer', scopes: ['read'] },
  }
  beforeAll(async () => {
    door = await openDoor({
      http: { rateLimit: { perSecond: 0.1 } },
      authenticate: (key) => (key !== undefined && Object.hasOwn(keys, key) ? keys[key] : undefined),
    })
  })
  afterAll(() => door[Symbol.asyncDispose]())
  const send = (headers: Record<string, string>, id = 'a') =>
    door.send({ headers: { ...structured, ...headers }, body: event(id) })

  it.each([
    ['no key', {}],
    ['an unknown key', { authorization: 'Bearer bb_guess' }],
    ['a key of another scheme', { authorization: 'Basic bb_publish' }],
    ['an empty key', { authorization: 'Bearer ' }],
    ['a name of every object', { authorization: 'Bearer __proto__' }],
  ])('refuses %s with 401', async (_what, headers) => {
    const answer = await send(headers)
    expect(summary(answer)).toEqual([401, 'request.unauthorized'])
    expect(answer.headers['www-authenticate']).toBe('Bearer')
  })

  it('refuses a key that may not publish with 403', async () => {
    expect(summary(await send({ authorization: 'Bearer bb_read' }))).toEqual([403, 'request.forbidden'])
  })

  it('takes a good key, and answers 429 with Retry-After past the limit; a refused key uses nothing up', async () => {
    expect((await send({ 'x-api-key': 'bb_publish' })).status).toBe(202)
    const answer = await send({ authorization: 'Bearer bb_publish' }, 'b')
    expect(summary(answer)).toEqual([429, 'request.rate-limited'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(await door.stored()).toEqual(['a={"number":"a"}'])
  })
})

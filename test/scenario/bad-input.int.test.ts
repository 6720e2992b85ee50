import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodies, events, requests } from './bad-input-table.ts'
import type { Door } from './door.ts'
import { event, exchange, openDoor, wire } from './door.ts'

const problemMedia = 'application/problem+json; charset=utf-8'

describe.each([
  ['bodies', bodies],
  ['events', events],
  ['requests', requests],
])('bad %s', (_what, table) => {
  let door: Door
  beforeAll(async () => {
    door = await openDoor()
  })
  afterAll(() => door[Symbol.asyncDispose]())

  it.each(table)('$name: $status $code', async ({ request, status, code, at }) => {
    const answer = await door.send(request)
    expect([answer.status, answer.headers['content-type']]).toEqual([status, problemMedia])
    expect(answer.json).toMatchObject({ status, code, type: `urn:busbar:error:${code}` })
    expect(answer.json['title']).toEqual(expect.any(String))
    expect(answer.json['detail']).toEqual(expect.any(String))
    const errors = (answer.json['errors'] ?? []) as { pointer: string; message: string }[]
    expect(errors.map(({ pointer }) => pointer)).toEqual(at ?? [])
    expect(await door.stored()).toEqual([])
    expect(await door.sql('SELECT * FROM refusals')).toEqual([])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('is served as ever after all of them, and nothing counted as a fault of busbar', async () => {
    expect((await door.send({ body: event('after') })).status).toBe(202)
    expect(await door.stored()).toEqual(['after={"number":"after"}'])
    expect(door.errors).toEqual([])
    expect(door.refused.filter((code) => code === 'internal')).toEqual([])
  })
})

describe('a body that does not come whole', () => {
  let door: Door
  beforeAll(async () => {
    door = await openDoor({
      server: { requestTimeout: 500, http: { headersTimeout: 500, connectionsCheckingInterval: 50 } },
    })
  })
  afterAll(() => door[Symbol.asyncDispose]())
  const bytes = wire({ body: event('part') })

  it('is refused when the sender ends the connection before the last byte', async () => {
    const answer = await exchange(door.port, bytes.subarray(0, -1), { halfClose: true })
    expect(answer).toMatchObject({ status: 400, json: { code: 'request.malformed' } })
    expect(await door.stored()).toEqual([])
  })

  it.each([
    ['body', bytes.subarray(0, -10)],
    ['head', bytes.subarray(0, 40)],
  ])('is refused when its %s is too slow', async (_what, part) => {
    const answer = await exchange(door.port, part)
    expect([answer.status, answer.headers['content-type']]).toEqual([408, problemMedia])
    expect(answer.json).toMatchObject({ status: 408, code: 'request.timeout' })
    expect(await door.stored()).toEqual([])
  })

  it('is told of by the methods that the path takes', async () => {
    const answer = await door.send({ method: 'GET' })
    expect(answer.headers['allow']).toBe('POST')
  })
})

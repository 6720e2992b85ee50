import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorCodes } from '../errors.ts'
import { BusbarError } from '../errors.ts'
import { EventRefused } from './faults.ts'
import { problemOptions, registerProblems, toProblem } from './problem.ts'

describe('toProblem', () => {
  it('has the members of RFC 9457, the code, and the faults', () => {
    const faults = [{ pointer: '/data/number', message: 'is required' }]
    expect(toProblem(new EventRefused('event.invalid', 'the data does not pass', faults))).toEqual({
      type: 'urn:busbar:error:event.invalid',
      title: 'Not accepted',
      status: 422,
      detail: 'the data does not pass',
      code: 'event.invalid',
      errors: faults,
    })
  })

  it('says nothing of an error that nobody raised on purpose', () => {
    const document = JSON.stringify(toProblem(new TypeError('password=hunter2')))
    expect(document).not.toContain('hunter2')
    expect(JSON.parse(document)).toMatchObject({ status: 500, code: 'internal' })
  })

  it('adds details, but none in place of a standard member', () => {
    const error = new BusbarError('act.refused', 'it runs', {
      details: { run: 'r1', status: 'running', code: 'x' },
    })
    expect(toProblem(error)).toMatchObject({ run: 'r1', status: 409, code: 'act.refused' })
  })

  it('knows a status and a title for each code of the door', () => {
    const door = errorCodes.filter((code) => /^(event|request|signature|overloaded)/.test(code))
    for (const code of door) {
      const { status, title } = toProblem(new BusbarError(code, 'why'))
      expect([code, status >= 400 && status !== 500, title]).toEqual([
        code,
        true,
        expect.not.stringMatching(/^Error$/),
      ])
    }
  })
})

describe('registerProblems', () => {
  let app: FastifyInstance
  let seen: unknown[]
  beforeEach(() => {
    seen = []
    app = Fastify({ ...problemOptions, bodyLimit: 10 })
    registerProblems(app, { onError: (error) => seen.push(error) })
    app.get('/things/:id', async () => ({}))
    app.put('/things/:id', async () => ({}))
    app.post('/in/*', async () => ({}))
    app.post('/a.b', async () => ({}))
    app.get('/fails', async () => {
      throw new TypeError('a secret')
    })
    app.get('/refuses', async () => {
      throw new BusbarError('overloaded', 'later')
    })
  })
  afterEach(() => app.close())

  const json = { 'content-type': 'application/json' }
  it.each([
    ['an unknown path', 'GET', '/nothing', 404, 'request.not-found'],
    ['a path with more segments', 'DELETE', '/things/1/2', 404, 'request.not-found'],
    ['a path that only looks alike', 'GET', '/aXb', 404, 'request.not-found'],
    ['a wrong method', 'GET', '/a.b', 405, 'request.method-not-allowed'],
    ['a wrong method under a wildcard', 'GET', '/in/shop/orders?x=1', 405, 'request.method-not-allowed'],
    ['a path that cannot be decoded', 'GET', '/%zz', 400, 'request.malformed'],
    ['an error on purpose', 'GET', '/refuses', 503, 'overloaded'],
    ['an error by accident', 'GET', '/fails', 500, 'internal'],
  ] as const)('answers %s with its problem document', async (...[, method, url, status, code]) => {
    const answer = await app.inject({ method, url })
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect([answer.statusCode, answer.json()]).toEqual([status, expect.objectContaining({ status, code })])
    expect(answer.body).not.toContain('a secret')
    expect(seen).toHaveLength(status === 500 ? 1 : 0)
  })

  it.each([
    ['a body over the limit', json, '"12345678901"', 413, 'event.too-large'],
    ['a body that is not JSON', json, '{', 400, 'request.malformed'],
    [
      'a content type without a parser',
      { 'content-type': 'text/csv' },
      'a,b',
      415,
      'request.unsupported-media-type',
    ],
  ] as const)(
    'answers %s, which the server refuses itself',
    async (...[, headers, payload, status, code]) => {
      const answer = await app.inject({ method: 'PUT', url: '/things/1', headers, payload })
      expect([answer.statusCode, answer.json()]).toEqual([status, expect.objectContaining({ status, code })])
    },
  )

  it('names the methods that a path takes', async () => {
    const answer = await app.inject({ method: 'DELETE', url: '/things/1' })
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, 'GET, HEAD, PUT'])
  })
})

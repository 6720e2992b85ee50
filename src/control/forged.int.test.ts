import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser } from '../../test/scenario/browser.ts'
import { host, origin, sameOrigin } from '../../test/scenario/browser.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { signedIn } from '../../test/scenario/people.ts'
import { authenticator } from './keys.ts'

let rig: ControlRig
let admin: Browser
beforeAll(async () => {
  rig = await openControlRig((database) => ({ authenticate: authenticator(database) }))
  await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
  admin = await signedIn(rig, { name: 'ada', role: 'admin' })
})
afterAll(() => rig.close())

const url = '/api/v1/systems/erp/pause'
const json = { 'content-type': 'application/json' }
const cross = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const multipart = { 'content-type': 'multipart/form-data; boundary=x' }
const text = { 'content-type': 'text/plain' }
const parts = '--x\r\ncontent-disposition: form-data; name="reason"\r\n\r\nforged\r\n--x--\r\n'

type Forged = Pick<InjectOptions, 'method' | 'url' | 'payload'> & {
  readonly headers?: Record<string, string>
}

/** What a page of another site, a sibling host, an old browser, or a program inside the network can make a browser send. */
const forged: readonly (readonly [string, Forged])[] = [
  ['a form, urlencoded', { headers: { ...form, ...cross }, payload: 'reason=forged' }],
  ['a form, multipart', { headers: { ...multipart, ...cross }, payload: parts }],
  [
    'a form, text/plain that reads as JSON',
    { headers: { ...text, ...cross }, payload: '{"reason":"forged","x":"="}' },
  ],
  ['a form without anything', { headers: { ...form, ...cross }, payload: '' }],
  [
    'a form from a sandboxed frame',
    { headers: { ...form, origin: 'null', 'sec-fetch-site': 'cross-site' }, payload: '' },
  ],
  ['a form of an old browser, urlencoded, no Origin', { headers: form, payload: 'reason=forged' }],
  ['a form of an old browser, text/plain, no Origin', { headers: text, payload: '{"reason":"forged"}' }],
  ['a form of an old browser, multipart, no Origin', { headers: multipart, payload: parts }],
  ['fetch without CORS', { headers: { ...text, ...cross, 'sec-fetch-mode': 'no-cors' }, payload: '{}' }],
  ['a beacon with a JSON blob', { headers: { ...json, ...cross }, payload: '{}' }],
  ['JSON without Origin', { headers: json, payload: '{}' }],
  ['JSON without Origin, with the header', { headers: { ...json, 'x-busbar-console': '1' }, payload: '{}' }],
  [
    'JSON from another origin, with the header',
    { headers: { ...json, ...cross, 'x-busbar-console': '1' }, payload: '{}' },
  ],
  [
    'JSON from null, with the header',
    { headers: { ...json, origin: 'null', 'x-busbar-console': '1' }, payload: '{}' },
  ],
  ['JSON from here, without the header', { headers: { ...json, origin }, payload: '{}' }],
  [
    'JSON from a sibling host',
    {
      headers: {
        ...json,
        'x-busbar-console': '1',
        origin: 'http://shop.busbar.test',
        'sec-fetch-site': 'same-site',
      },
      payload: '{}',
    },
  ],
  [
    'JSON from another port',
    {
      headers: { ...json, 'x-busbar-console': '1', origin: `${origin}:8080`, 'sec-fetch-site': 'same-site' },
      payload: '{}',
    },
  ],
  [
    'JSON from another scheme',
    { headers: { ...json, 'x-busbar-console': '1', origin: `https://${host}` }, payload: '{}' },
  ],
  [
    'JSON from a host that ends like ours',
    { headers: { ...json, 'x-busbar-console': '1', origin: `http://evil${host}` }, payload: '{}' },
  ],
  [
    'JSON from a host that begins like ours',
    { headers: { ...json, 'x-busbar-console': '1', origin: `${origin}.evil.example` }, payload: '{}' },
  ],
  [
    'JSON from our origin in capitals',
    { headers: { ...json, 'x-busbar-console': '1', origin: origin.toUpperCase() }, payload: '{}' },
  ],
  [
    'our Origin, said to be cross-site',
    { headers: { ...json, 'x-busbar-console': '1', origin, 'sec-fetch-site': 'cross-site' }, payload: '{}' },
  ],
  ['GET', { method: 'GET', headers: cross }],
  [
    'GET that asks to be a POST, by header',
    { method: 'GET', headers: { ...cross, 'x-http-method-override': 'POST', 'x-method-override': 'POST' } },
  ],
  ['GET that asks to be a POST, by query', { method: 'GET', url: `${url}?_method=POST`, headers: cross }],
  [
    'a form that asks to be a POST of JSON',
    { headers: { ...form, ...cross }, payload: '_method=POST&_body={}' },
  ],
  ['HEAD', { method: 'HEAD', headers: cross }],
  ['PUT', { method: 'PUT', headers: { ...sameOrigin, ...json }, payload: '{}' }],
  [
    'JSON as another type, from here',
    { headers: { ...sameOrigin, 'content-type': 'application/jsonx' }, payload: '{}' },
  ],
  [
    'text that says JSON second, from here',
    { headers: { ...sameOrigin, 'content-type': 'text/plain; application/json' }, payload: '{}' },
  ],
  [
    'two types, from here',
    { headers: { ...sameOrigin, 'content-type': 'text/plain, application/json' }, payload: '{}' },
  ],
  ['a form from here', { headers: { ...sameOrigin, ...form }, payload: 'reason=forged' }],
]

async function send(request: Forged, cookie: string) {
  const { headers, ...rest } = request
  return rig.app.inject({ method: 'POST', url, ...rest, headers: { host, cookie, ...headers } })
}

const isPaused = async () =>
  (await rig.sql(`SELECT paused FROM systems WHERE name = 'erp'`))[0]?.['paused'] as boolean

describe('a forged request with an admin’s cookie does nothing:', () => {
  it.each(forged)('%s', async (_, request) => {
    const response = await send(request, admin.cookie)
    expect([403, 404, 405, 415]).toContain(response.statusCode)
    expect(await isPaused()).toBe(false)
  })
})

describe('nor can another site sign somebody in or out:', () => {
  const doors = ['/api/v1/sign-in', '/api/v1/sign-out', '/api/v1/one-time-link/accept']
  it.each(doors.flatMap((door) => forged.slice(0, 22).map(([name, request]) => ({ door, name, request }))))(
    '$door, $name',
    async ({ door, request }) => {
      const response = await send({ ...request, url: door }, admin.cookie)
      expect([403, 415]).toContain(response.statusCode)
      expect(response.headers['set-cookie']).toBeUndefined()
    },
  )
})

it('the console’s own request does it: the cases above fail for their forgery alone', async () => {
  const response = await send({ headers: { ...sameOrigin, ...json }, payload: '{}' }, admin.cookie)
  expect(response.statusCode).toBe(200)
  expect(await isPaused()).toBe(true)
})

it('no answer allows another origin anything', async () => {
  const preflight = await rig.app.inject({
    method: 'OPTIONS',
    url,
    headers: {
      host,
      ...cross,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-busbar-console',
    },
  })
  const look = await rig.app.inject({
    url: '/api/v1/status',
    headers: { host, ...cross, cookie: admin.cookie },
  })
  for (const { headers } of [preflight, look])
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
})

it('where nobody signs in, another site is refused too, and a program is not', async () => {
  const open = await openControlRig()
  try {
    await open.sql(`INSERT INTO systems (name) VALUES ('erp')`)
    const ask = async (headers: Record<string, string>) =>
      (await open.app.inject({ method: 'POST', url, payload: '{}', headers: { host, ...json, ...headers } }))
        .statusCode
    expect(await ask(cross)).toBe(403)
    expect(await ask({ origin: 'null' })).toBe(403)
    expect(await ask({ origin })).toBe(200)
    expect(await ask({})).toBe(200)
  } finally {
    await open.close()
  }
})

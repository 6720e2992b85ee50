import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SignatureScheme } from '../define/source.ts'
import { githubSignature, hmacSignature, standardWebhooks, stripeSignature } from './signatures.ts'

const raw = Buffer.from('{"number":"SO-1042","total":19.90}')
const nowMs = 1_750_000_000_000
const timestamp = String(nowMs / 1_000)
const secret = 'the secret that counts'
const whsec = `whsec_${Buffer.from('a standard webhooks key of 32 B.').toString('base64')}`

type Encoding = 'base64' | 'hex'
const hmac = (key: string | Buffer, text: string | Buffer, encoding: Encoding) =>
  createHmac('sha256', key).update(text).digest(encoding)

/** A scheme, and how its sender signs a body. */
interface Case {
  readonly name: string
  readonly scheme: (...secrets: string[]) => SignatureScheme
  readonly secret: string
  readonly header: string
  /** The headers of a delivery. */
  readonly sign: (body: Buffer, key: string, at?: string) => Record<string, string>
}

const plain = (name: string, header: string, encoding: Encoding, prefix = ''): Case => ({
  name,
  secret,
  header,
  scheme: (...secrets) => hmacSignature({ header, encoding, prefix, secrets }),
  sign: (body, key) => ({ [header.toLowerCase()]: prefix + hmac(key, body, encoding) }),
})

const cases: readonly Case[] = [
  {
    name: 'Standard Webhooks',
    secret: whsec,
    header: 'webhook-signature',
    scheme: (...secrets) => standardWebhooks({ secrets }),
    sign: (body, key, at = timestamp) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': at,
      'webhook-signature': `v1,${hmac(
        key.startsWith('whsec_') ? Buffer.from(key.slice(6), 'base64') : key,
        Buffer.concat([Buffer.from(`msg_1.${at}.`), body]),
        'base64',
      )}`,
    }),
  },
  {
    name: 'Stripe',
    secret,
    header: 'stripe-signature',
    scheme: (...secrets) => stripeSignature({ secrets }),
    sign: (body, key, at = timestamp) => ({
      'stripe-signature': `t=${at},v1=${hmac(key, Buffer.concat([Buffer.from(`${at}.`), body]), 'hex')},v0=00`,
    }),
  },
  {
    name: 'GitHub',
    secret,
    header: 'x-hub-signature-256',
    scheme: (...secrets) => githubSignature({ secrets }),
    sign: (body, key) => ({ 'x-hub-signature-256': `sha256=${hmac(key, body, 'hex')}` }),
  },
  plain('Shopify', 'X-Shopify-Hmac-Sha256', 'base64'),
  plain('WooCommerce', 'X-WC-Webhook-Signature', 'base64'),
  plain('Xero', 'x-xero-signature', 'base64'),
  plain('Frappe', 'X-Frappe-Webhook-Signature', 'base64'),
  plain('EasyPost', 'X-Hmac-Signature', 'hex', 'hmac-sha256-hex='),
]
const timed = cases.filter(({ name }) => name === 'Standard Webhooks' || name === 'Stripe')

describe('published examples', () => {
  it('verifies the example of the Standard Webhooks libraries', () => {
    const scheme = standardWebhooks({ secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] })
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    }
    const body = Buffer.from('{"test": 2432232314}')
    expect(scheme.verify({ headers, raw: body }, 1_614_265_330_000)).toEqual({ ok: true })
  })

  it('verifies the example of the GitHub documentation', () => {
    const scheme = githubSignature({ secrets: ["It's a Secret to Everybody"] })
    const headers = {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    }
    expect(scheme.verify({ headers, raw: Buffer.from('Hello, World!') }, nowMs)).toEqual({ ok: true })
  })
})

describe.each(cases)('$name', ({ scheme, secret: key, header, sign }) => {
  const verify = (headers: Record<string, string>, body = raw, secrets = [key]) =>
    scheme(...secrets).verify({ headers, raw: body }, nowMs).ok

  it('accepts what its sender signs, any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const body = Buffer.from(bytes)
        expect(verify(sign(body, key), body)).toBe(true)
      }),
    )
  })

  it('accepts the old and the new secret while one replaces the other, and no third', () => {
    const [old, other] = [
      'whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcyE=',
      'whsec_c29tZSBvdGhlciBzZWNyZXQgb2YgYSBmb2U=',
    ]
    expect(verify(sign(raw, key), raw, [old, key])).toBe(true)
    expect(verify(sign(raw, old), raw, [old, key])).toBe(true)
    expect(verify(sign(raw, other), raw, [old, key])).toBe(false)
  })

  it('refuses a body in which one bit is changed', () => {
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(raw)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        expect(verify(sign(raw, key), changed)).toBe(false)
      }),
    )
  })

  it('refuses a signature that is missing, empty, cut, extended or in another form', () => {
    const headers = sign(raw, key)
    const name = header.toLowerCase()
    const good = (headers[name] ?? '').replace(',v0=00', '')
    const [form] = /^(?:.*=)?(?=[^=]+=?$)|^v1,/.exec(good) ?? ['']
    const { [name]: _dropped, ...without } = headers
    expect(verify(without)).toBe(false)
    const bad = [
      '',
      form,
      good.slice(0, -2),
      good.slice(0, -1) + '!',
      `${good}zz`,
      `${good}00`,
      `${form}${'0'.repeat(64)}`,
    ]
    for (const signature of bad)
      expect([signature, verify({ ...headers, [name]: signature })]).toEqual([signature, false])
    expect(verify({ ...headers, [name]: good })).toBe(true)
  })

  it('never throws on a malformed header, and never accepts one', () => {
    const junk = fc.oneof(
      fc.string({ unit: 'binary-ascii', maxLength: 100 }),
      fc.string({
        unit: fc.constantFrom('v1', ',', '=', 't=', ' ', '.', 'sha256=', 'é', '0', 'A'),
        maxLength: 60,
      }),
    )
    fc.assert(
      fc.property(junk, junk, junk, (one, two, three) => {
        const headers = { [header.toLowerCase()]: one, 'webhook-id': two, 'webhook-timestamp': three }
        expect(verify(headers)).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('does not start without a secret, nor with an empty one', () => {
    expect(() => scheme()).toThrow('at least one secret')
    expect(() => scheme('')).toThrow('none may be empty')
    expect(() => scheme(key, '')).toThrow('none may be empty')
  })
})

describe.each(timed)('the replay window of $name', ({ scheme, secret: key, sign }) => {
  const verify = (at: string) => scheme(key).verify({ headers: sign(raw, key, at), raw }, nowMs).ok
  const seconds = nowMs / 1_000

  it('is five minutes both ways', () => {
    expect(verify(String(seconds - 300))).toBe(true)
    expect(verify(String(seconds - 301))).toBe(false)
    expect(verify(String(seconds + 300))).toBe(true)
    expect(verify(String(seconds + 301))).toBe(false)
  })

  it.each([
    '',
    'now',
    '-1',
    '1e9',
    '1750000000.5',
    ' 1750000000',
    '0x684ee180',
    '1750000000000',
    '9'.repeat(30),
  ])('refuses the timestamp %j although it is signed', (at) => expect(verify(at)).toBe(false))
})

describe('hmacSignature', () => {
  it('refuses a good digest that claims another algorithm', () => {
    const scheme = githubSignature({ secrets: [secret] })
    const headers = { 'x-hub-signature-256': `sha512=${hmac(secret, raw, 'hex')}` }
    expect(scheme.verify({ headers, raw }, nowMs).ok).toBe(false)
  })
})

describe('standardWebhooks', () => {
  const verify = (headers: Record<string, string>, secrets = [whsec]) =>
    standardWebhooks({ secrets, tolerance: '10s' }).verify({ headers, raw }, nowMs).ok
  const signed = (id: string, at = timestamp) =>
    `v1,${hmac(Buffer.from(whsec.slice(6), 'base64'), Buffer.concat([Buffer.from(`${id}.${at}.`), raw]), 'base64')}`
  const delivery = (id: string, signature = signed(id)) => ({
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signature,
  })

  it('finds the one that matches among several signatures, of other versions too', () => {
    expect(verify(delivery('msg_1', `v1a,AAAA v1,bm8= ${signed('msg_1')} v2,AAAA`))).toBe(true)
    expect(verify(delivery('msg_1', `v1a,AAAA v1,bm8= v2,${signed('msg_1').slice(3)}`))).toBe(false)
  })

  it('refuses another id under a good signature: an id cannot be swapped to pass as new', () => {
    expect(verify(delivery('msg_2', signed('msg_1')))).toBe(false)
  })

  it('refuses an id with a dot, with which parts of the signed text could be shifted', () => {
    expect(verify(delivery(`msg.1`))).toBe(false)
  })

  it('keeps the tolerance that it is given', () => {
    const at = String(nowMs / 1_000 - 11)
    expect(verify({ ...delivery('msg_1', signed('msg_1', at)), 'webhook-timestamp': at })).toBe(false)
  })

  it.each(['whsec_', 'whsec_!!!', 'whsec_===='])('does not start with %j, whose key is empty', (empty) => {
    expect(() => standardWebhooks({ secrets: [empty] })).toThrow('none may be empty')
  })

  it('says which header identifies a delivery', () => {
    expect(standardWebhooks({ secrets: [whsec] }).idHeader).toBe('webhook-id')
    expect(githubSignature({ secrets: ['x'] }).idHeader).toBe('x-github-delivery')
    expect(hmacSignature({ header: 'X-S', encoding: 'hex', secrets: ['x'], idHeader: 'X-Id' }).idHeader).toBe(
      'x-id',
    )
  })
})

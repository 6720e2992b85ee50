import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toEvent, webhookSource } from '../../src/define/source.ts'
import type { WebhookRequest } from '../../src/define/source.ts'
import {
  githubSignature,
  hmacSignature,
  standardWebhooks,
  stripeSignature,
} from '../../src/ingress/signatures.ts'
import type { Answer, Door } from './door.ts'
import { hmac, openDoor, orderPlaced } from './door.ts'

const secret = 'a secret of the shop'
const old = 'the secret before it'
const secrets = [secret, old]

interface Delivery {
  readonly number: string
  readonly id?: string
  readonly kind?: string
}

const map = ({ body }: WebhookRequest) => {
  const { number, kind } = body as Delivery
  if (kind === 'ignored') return undefined
  if (kind === 'throws') throw new TypeError('no such product')
  if (kind === 'bigint') return toEvent(orderPlaced, { number: 1n as unknown as string })
  if (kind === 'nothing') return toEvent(orderPlaced, undefined as unknown as { number: string })
  if (kind === 'cut') return toEvent(orderPlaced, { number: '😀'.slice(0, 1) })
  if (kind === 'numbered') return toEvent(orderPlaced, { number }, { extensions: { sequence: '7' } })
  return toEvent(orderPlaced, { number })
}
const bodyId = ({ body }: WebhookRequest) => (body as Delivery).id

const shopify = hmacSignature({ header: 'X-Shopify-Hmac-Sha256', encoding: 'base64', secrets })
const sources = [
  webhookSource({
    name: 'shop/orders',
    signature: shopify,
    id: ({ headers }) => headers['x-shopify-event-id'],
    map,
  }),
  webhookSource({ name: 'github', signature: githubSignature({ secrets }), map }),
  webhookSource({ name: 'stripe', signature: stripeSignature({ secrets }), id: bodyId, map }),
  webhookSource({ name: 'standard', signature: standardWebhooks({ secrets }), map }),
  webhookSource({ name: 'open', unauthenticated: true, id: bodyId, map }),
]

const now = () => Math.floor(Date.now() / 1_000)

/** The headers by which each sender proves itself. */
const sign: Record<
  string,
  (body: string, id: string, options?: { secret?: string; at?: number }) => Record<string, string>
> = {
  'shop/orders': (body, id, { secret: key = secret } = {}) => ({
    'X-Shopify-Hmac-Sha256': hmac(key, body, 'base64'),
    'X-Shopify-Event-Id': id,
  }),
  github: (body, id, { secret: key = secret } = {}) => ({
    'X-Hub-Signature-256': `sha256=${hmac(key, body, 'hex')}`,
    'X-GitHub-Delivery': id,
  }),
  stripe: (body, _id, { secret: key = secret, at = now() } = {}) => ({
    'Stripe-Signature': `t=${at},v1=${hmac(key, `${at}.${body}`, 'hex')}`,
  }),
  standard: (body, id, { secret: key = secret, at = now() } = {}) => ({
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': `v1,${hmac(key, `${id}.${at}.${body}`, 'base64')}`,
  }),
}

const summary = ({ status, json }: Answer) => [status, json['code']]
const bodyOf = (delivery: Delivery) => JSON.stringify(delivery, null, 1)

describe('webhooks', () => {
  let door: Door
  beforeEach(async () => {
    door = await openDoor({ sources, http: { rateLimit: { perSecond: 1 } } })
  })
  afterEach(() => door[Symbol.asyncDispose]())

  const deliver = (source: string, body: string, headers: Record<string, string>) =>
    door.send({ path: `/in/${source}`, headers: { 'content-type': 'application/json', ...headers }, body })

  describe.each(Object.keys(sign))('from %s', (source) => {
    const body = bodyOf({ number: 'SO-1', id: 'd-1' })
    const signed = (options?: { secret?: string; at?: number }) => sign[source]?.(body, 'd-1', options) ?? {}

    it('are accepted with the new and the old secret; the same delivery again is a duplicate', async () => {
      const first = await deliver(source, body, signed())
      expect([first.status, first.json]).toEqual([202, { id: 'd-1', seq: 1, duplicate: false }])
      const again = await deliver(source, body, signed({ secret: old }))
      expect([again.status, again.json]).toEqual([202, { id: 'd-1', seq: 1, duplicate: true }])
      expect(await door.stored()).toEqual(['d-1={"number":"SO-1"}'])
      const [row] = await door.sql('SELECT source, type, key FROM events')
      expect(row).toEqual({ source: `urn:busbar:source:${source}`, type: 'order.placed', key: 'SO-1' })
    })

    it('are refused alike for every fault of the signature, before the body is read', async () => {
      const cut = Object.fromEntries(
        Object.entries(signed()).map(([name, value]) => [name, value.slice(0, -3)]),
      )
      const answers = [
        await deliver(source, body, {}),
        await deliver(source, body, signed({ secret: 'a guess' })),
        await deliver(source, body, cut),
        await deliver(source, body.replace('SO-1', 'SO-2'), signed()),
        await deliver(source, JSON.stringify(JSON.parse(body)), signed()),
        await deliver(source, 'not JSON', signed()),
        await deliver(source, '', signed()),
      ]
      expect(answers.map(summary)).toEqual(Array(7).fill([401, 'signature.invalid']))
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
      expect(door.refused.filter((why) => why.startsWith(`${source}: `))).toHaveLength(7)
      expect(await door.stored()).toEqual([])
    })
  })

  it.each(['stripe', 'standard'])('of %s are refused when replayed outside the window', async (source) => {
    const body = bodyOf({ number: 'SO-1', id: 'd-1' })
    for (const at of [now() - 310, now() + 310])
      expect(summary(await deliver(source, body, sign[source]?.(body, 'd-1', { at }) ?? {}))).toEqual([
        401,
        'signature.invalid',
      ])
    expect((await deliver(source, body, sign[source]?.(body, 'd-1', { at: now() - 290 }) ?? {})).status).toBe(
      202,
    )
    expect(await door.stored()).toHaveLength(1)
  })

  it('can carry CloudEvents extensions beside the trace of the delivery', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const body = bodyOf({ number: 'SO-1', id: 'd-1', kind: 'numbered' })
    expect((await deliver('open', body, { traceparent })).status).toBe(202)
    const [row] = await door.sql<{ ext: string }>('SELECT ext FROM events')
    expect(JSON.parse(row?.ext ?? '')).toEqual({ extensions: { traceparent, sequence: '7' } })
  })

  it('under a known id but with other data are a conflict', async () => {
    for (const [number, status] of [
      ['SO-1', 202],
      ['SO-2', 409],
    ] as const) {
      const body = bodyOf({ number })
      expect((await deliver('standard', body, sign['standard']?.(body, 'd-1') ?? {})).status).toBe(status)
    }
    expect(await door.sql('SELECT id, code FROM refusals')).toEqual([{ id: 'd-1', code: 'event.conflict' }])
  })

  it('need no signature where the source says unauthenticated: true', async () => {
    expect((await deliver('open', bodyOf({ number: 'SO-1', id: 'd-1' }), {})).status).toBe(202)
  })

  it('that the source ignores are acknowledged and not stored', async () => {
    const answer = await deliver('open', bodyOf({ number: 'SO-1', kind: 'ignored' }), {})
    expect([answer.status, answer.json]).toEqual([202, { ignored: true }])
    expect(await door.stored()).toEqual([])
  })

  it.each([
    ['not JSON', 'number=1', 400, 'request.malformed', []],
    ['a number', '7', 422, 'event.invalid', ['']],
    ['null', 'null', 422, 'event.invalid', ['']],
    ['__proto__', '{"number":"1","id":"1","a":{"__proto__":1}}', 422, 'event.invalid', ['/a/__proto__']],
    ['no id', bodyOf({ number: '1' }), 422, 'event.invalid', ['/id']],
    ['an id with a line break', bodyOf({ number: '1', id: 'a\nb' }), 422, 'event.invalid', ['/id']],
    ['data that fails the contract', '{"id":"1"}', 422, 'event.invalid', ['/data/number']],
    ['a mapping that throws', bodyOf({ number: '1', id: '1', kind: 'throws' }), 422, 'event.invalid', ['']],
    [
      'a mapping to what is no JSON',
      bodyOf({ number: '1', id: '1', kind: 'bigint' }),
      422,
      'event.invalid',
      ['/data'],
    ],
    [
      'a mapping to nothing',
      bodyOf({ number: '1', id: '1', kind: 'nothing' }),
      422,
      'event.invalid',
      ['/data'],
    ],
    [
      'a mapping that cuts a character',
      bodyOf({ number: '1', id: '1', kind: 'cut' }),
      422,
      'event.invalid',
      ['/data/number'],
    ],
  ])('with %s are refused', async (...[, body, status, code, pointers]) => {
    const answer = await deliver('open', body, {})
    expect(summary(answer)).toEqual([status, code])
    const errors = (answer.json['errors'] ?? []) as { pointer: string }[]
    expect(errors.map(({ pointer }) => pointer)).toEqual(pointers)
    expect(await door.stored()).toEqual([])
    expect(door.errors).toEqual([])
  })

  it('of a stranger do not use up the limit of the sender', async () => {
    for (let count = 0; count < 15; count++)
      expect((await deliver('github', '{}', sign['github']?.('', '1') ?? {})).status).toBe(401)
    const statuses: number[] = []
    for (let count = 0; count < 15; count++) {
      const body = bodyOf({ number: String(count) })
      statuses.push((await deliver('github', body, sign['github']?.(body, String(count)) ?? {})).status)
    }
    expect(statuses.slice(0, 5)).toEqual(Array(5).fill(202))
    expect(statuses).toContain(429)
  })
})

import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { durationMs } from '../define/duration.ts'
import type { Duration } from '../define/duration.ts'
import { keepSecret } from '../define/secrets.ts'
import type { SignatureScheme, Verification } from '../define/source.ts'
import { BusbarError } from '../errors.ts'

/** Several secrets are valid at once while one replaces another. */
interface Secrets {
  readonly secrets: readonly string[]
}

const defaultTolerance = '5m'
const refused = (why: string): Verification => ({ ok: false, refused: why })

function checkSecrets(scheme: string, { secrets }: Secrets): void {
  if (secrets.length === 0 || secrets.some((secret) => !secret))
    throw new BusbarError('config.invalid', `${scheme} needs at least one secret, and none may be empty`)
  for (const secret of secrets) keepSecret(secret)
}

/** Constant time, whatever the lengths: both sides are hashed first. */
function same(given: Buffer, expected: Buffer): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', expected, 'buffer'))
}

/** Every candidate is compared, so that the time does not tell which one matched. */
function anySame(given: readonly Buffer[], expected: readonly Buffer[]): boolean {
  let found = false
  for (const one of given) for (const other of expected) found = same(one, other) || found
  return found
}

const digestForms = { base64: /^[A-Za-z0-9+/]{43}=?$/, hex: /^[0-9a-f]{64}$/i } as const

/** The bytes of an HMAC-SHA256 as sent; none, so that nothing matches, where it is not one in this encoding to the last character. */
function digestBytes(text: string, encoding: 'base64' | 'hex'): Buffer {
  return digestForms[encoding].test(text) ? Buffer.from(text, encoding) : Buffer.alloc(0)
}

/** Senders list a few signatures while secrets rotate; the bound keeps a forger from buying work with a long header. */
const maxSignatures = 16

function fresh(timestamp: string | undefined, toleranceMs: number, nowMs: number): boolean {
  if (!timestamp || !/^\d{1,12}$/.test(timestamp)) return false
  return Math.abs(nowMs - Number(timestamp) * 1_000) <= toleranceMs
}

/**
 * Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp`, `webhook-signature` with `v1`
 * HMAC-SHA256 over `id.timestamp.body`. A secret in base64 carries the prefix `whsec_` (put it there if the sender shows it
 * without); any other is taken as the bytes of its text. Tolerance 5 min.
 */
export function standardWebhooks(options: Secrets & { readonly tolerance?: Duration }): SignatureScheme {
  const toleranceMs = durationMs(options.tolerance ?? defaultTolerance)
  const keys = options.secrets.map((secret) =>
    secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret),
  )
  for (const secret of options.secrets) keepSecret(secret)
  checkSecrets('standardWebhooks', { secrets: keys.map((key) => key.toString('hex')) })
  return {
    name: 'standard-webhooks',
    idHeader: 'webhook-id',
    verify({ headers, raw }, nowMs) {
      const id = headers['webhook-id']
      const timestamp = headers['webhook-timestamp']
      if (!id || id.includes('.')) return refused('webhook-id is missing or has a dot')
      if (!fresh(timestamp, toleranceMs, nowMs))
        return refused('webhook-timestamp is missing, or outside the tolerance')
      const given = (headers['webhook-signature'] ?? '')
        .split(' ')
        .filter((part) => part.startsWith('v1,'))
        .slice(0, maxSignatures)
        .map((part) => digestBytes(part.slice(3), 'base64'))
      const expected = keys.map((key) =>
        createHmac('sha256', key).update(`${id}.${timestamp}.`).update(raw).digest(),
      )
      return anySame(given, expected) ? { ok: true } : refused('no v1 signature matches')
    },
  }
}

/**
 * HMAC-SHA256 over the body in one header, base64 or hex: Shopify (`x-shopify-hmac-sha256`), WooCommerce
 * (`x-wc-webhook-signature`), Xero (`x-xero-signature`), Frappe (`x-frappe-webhook-signature`), all base64; EasyPost hex
 * with `prefix: 'hmac-sha256-hex='` and its secret as `secret.normalize('NFKD')`. The signature does not cover a time: redeliveries are told apart by their id.
 */
export function hmacSignature(
  options: Secrets & {
    readonly header: string
    readonly encoding: 'base64' | 'hex'
    readonly prefix?: string
    readonly idHeader?: string
  },
): SignatureScheme {
  checkSecrets('hmacSignature', options)
  const header = options.header.toLowerCase()
  const prefix = options.prefix ?? ''
  return {
    name: 'hmac',
    ...(options.idHeader && { idHeader: options.idHeader.toLowerCase() }),
    verify({ headers, raw }) {
      const value = headers[header]
      if (!value?.startsWith(prefix)) return refused(`${header} is missing or has another form`)
      const given = digestBytes(value.slice(prefix.length), options.encoding)
      const expected = options.secrets.map((secret) => createHmac('sha256', secret).update(raw).digest())
      return anySame([given], expected) ? { ok: true } : refused(`${header} does not match`)
    },
  }
}

/** Stripe: `stripe-signature: t=…,v1=…`, hex HMAC-SHA256 over `timestamp.body`; several v1 while secrets rotate. Tolerance 5 min. The id is the event's own. */
export function stripeSignature(options: Secrets & { readonly tolerance?: Duration }): SignatureScheme {
  checkSecrets('stripeSignature', options)
  const toleranceMs = durationMs(options.tolerance ?? defaultTolerance)
  return {
    name: 'stripe',
    verify({ headers, raw }, nowMs) {
      const parts = (headers['stripe-signature'] ?? '')
        .split(',')
        .map((part) => part.trim().split('=', 2) as [string, string?])
      const timestamp = parts.find(([name]) => name === 't')?.[1]
      if (!fresh(timestamp, toleranceMs, nowMs))
        return refused('the timestamp is missing, or outside the tolerance')
      const given = parts
        .filter(([name]) => name === 'v1')
        .slice(0, maxSignatures)
        .map(([, value]) => digestBytes(value ?? '', 'hex'))
      const expected = options.secrets.map((secret) =>
        createHmac('sha256', secret).update(`${timestamp}.`).update(raw).digest(),
      )
      return anySame(given, expected) ? { ok: true } : refused('no v1 signature matches')
    },
  }
}

/** GitHub: `x-hub-signature-256: sha256=…`, hex HMAC-SHA256 over the body; the id is `x-github-delivery`. */
export function githubSignature(options: Secrets): SignatureScheme {
  checkSecrets('githubSignature', options)
  const scheme = hmacSignature({
    ...options,
    header: 'x-hub-signature-256',
    encoding: 'hex',
    prefix: 'sha256=',
    idHeader: 'x-github-delivery',
  })
  return { ...scheme, name: 'github' }
}

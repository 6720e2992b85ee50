import { BusbarError } from '../errors.ts'
import type { AnyContract, EventContract } from './event.ts'
import { checkName } from './name.ts'

/** A webhook as it arrived; header names in lower case. */
export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The body exactly as it was sent: signatures are over these bytes. */
  readonly raw: Buffer
  /** The same, parsed as JSON. */
  readonly body: unknown
}

/** Whether a webhook is authentic. `refused` says why, for the log only: the sender always gets the same answer. */
export type Verification = { readonly ok: true } | { readonly ok: false; readonly refused: string }

/** A signature scheme; see `standardWebhooks`, `hmacSignature`, `stripeSignature`, `githubSignature`. */
export interface SignatureScheme {
  readonly name: string
  /** Header that identifies a delivery in this scheme, if it has one. */
  readonly idHeader?: string
  verify(
    request: { readonly headers: WebhookRequest['headers']; readonly raw: Buffer },
    nowMs: number,
  ): Verification
}

/** What a webhook becomes. */
export interface MappedEvent {
  readonly event: AnyContract
  readonly data: unknown
  /** Overrides the source's `id`. */
  readonly id?: string
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  /** CloudEvents extensions, such as `sequence`; they go before what the delivery's headers say. */
  readonly extensions?: Readonly<Record<string, string>>
}

/** A declared source of signed webhooks, served at `/in/<name>`. */
export interface WebhookSource {
  readonly kind: 'webhook'
  readonly name: string
  /** CloudEvents `source` of its events; default `urn:busbar:source:<name>`. */
  readonly source: string
  readonly signature: SignatureScheme | undefined
  readonly unauthenticated: boolean
  /** The identity of a delivery: a header, or a declared field. */
  readonly id: (request: WebhookRequest) => string | undefined
  /** The event it becomes, or undefined to acknowledge and ignore it. */
  readonly map: (request: WebhookRequest) => MappedEvent | undefined
}

/**
 * Declares a source of signed webhooks. It needs a signature scheme (or `unauthenticated: true`, said aloud), and an
 * identity for its deliveries: the scheme's own id header, another header, or a field; busbar never invents one,
 * since a redelivery would then count as new.
 *
 * @example
 * export const shop = webhookSource({
 *   name: 'shop',
 *   signature: hmacSignature({ header: 'x-shopify-hmac-sha256', encoding: 'base64', secrets: [env.SHOP_SECRET] }),
 *   id: (request) => request.headers['x-shopify-event-id'],
 *   map: (request) => toEvent(orderPlaced, request.body as Order),
 * })
 */
export function webhookSource(spec: {
  readonly name: string
  readonly source?: string
  readonly signature?: SignatureScheme
  readonly unauthenticated?: boolean
  readonly id?: (request: WebhookRequest) => string | undefined
  readonly map: (request: WebhookRequest) => MappedEvent | undefined
}): WebhookSource {
  checkName('source name', spec.name)
  if (!spec.signature && !spec.unauthenticated)
    throw new BusbarError(
      'config.invalid',
      `source "${spec.name}" has no signature: declare one, or say unauthenticated: true`,
    )
  const { idHeader } = spec.signature ?? {}
  if (!spec.id && !idHeader)
    throw new BusbarError(
      'config.invalid',
      `source "${spec.name}" does not say what identifies a delivery: declare id: (request) => request.headers['…'] or a field of the body`,
    )
  return {
    kind: 'webhook',
    name: spec.name,
    source: spec.source ?? `urn:busbar:source:${spec.name}`,
    signature: spec.signature,
    unauthenticated: spec.unauthenticated ?? false,
    id: spec.id ?? ((request) => request.headers[idHeader ?? '']),
    map: spec.map,
  }
}

/** A typed mapping result: the contract, its data, and optionally subject, time, CloudEvents extensions or an id of its own. */
export function toEvent<Type extends string, In, Out>(
  event: EventContract<Type, In, Out>,
  data: In,
  attributes: Omit<MappedEvent, 'event' | 'data'> = {},
): MappedEvent {
  return { event, data, ...attributes }
}

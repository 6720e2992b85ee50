import type { Config } from '../define/config.ts'
import type { Redaction } from '../define/redaction.ts'
import type { MappedEvent, WebhookRequest, WebhookSource } from '../define/source.ts'
import { BusbarError } from '../errors.ts'
import type { NewEvent } from '../journal/port.ts'
import { parseBody } from './cloudevents.ts'
import { acceptEvent } from './event-input.ts'
import { EventRefused } from './faults.ts'
import { jsonOf } from './json-of.ts'

/** A webhook as the server got it. */
export interface IncomingWebhook {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly raw: Buffer
  /** Milliseconds since 1970, for the tolerance of signatures. */
  readonly now: number
}

/**
 * Verifies the signature of a webhook over its raw bytes, before anything of it is parsed. Throws `signature.invalid`: one
 * answer for every cause; `onRefused` hears the cause.
 */
export function verifyWebhook(
  source: WebhookSource,
  incoming: IncomingWebhook,
  onRefused?: (source: string, why: string) => void,
): void {
  const headers = singleHeaders(incoming.headers)
  const verification = source.signature?.verify({ headers, raw: incoming.raw }, incoming.now)
  if (!verification || verification.ok) return
  onRefused?.(source.name, verification.refused)
  throw new BusbarError('signature.invalid', 'the signature does not verify')
}

/** Turns a verified webhook into an event, as its source maps it; undefined when the source ignores it. Throws what is wrong with it. */
export async function acceptWebhook(
  source: WebhookSource,
  incoming: IncomingWebhook,
  config: Config,
): Promise<NewEvent | undefined> {
  const { raw } = incoming
  const headers = singleHeaders(incoming.headers)
  const { value: body, kind } = parseBody(raw, config.http.maxDepth)
  if (kind === 'scalar')
    throw new EventRefused('event.invalid', 'the body must be a JSON object or array', [
      { pointer: '', message: 'must be an object or an array' },
    ])
  const { mapped, id } = mapOf(source, { headers, raw, body }, config.redaction)
  if (!mapped) return undefined
  if (!id)
    throw new EventRefused('event.invalid', 'the delivery does not say what identifies it', [
      { pointer: '/id', message: 'is required' },
    ])
  const { text, value } = jsonOf(mapped.data, config)
  return acceptEvent(
    {
      id,
      source: source.source,
      type: mapped.event.type,
      subject: mapped.subject,
      time: mapped.time,
      extensions: {
        ...(headers['traceparent'] && { traceparent: headers['traceparent'] }),
        ...mapped.extensions,
      },
      data: text,
      value,
    },
    config,
  )
}

/** The user's mapping; what it throws is a fault of this delivery. */
function mapOf(
  source: WebhookSource,
  request: WebhookRequest,
  redaction: Redaction,
): { mapped: MappedEvent | undefined; id: string | undefined } {
  try {
    const mapped = source.map(request)
    return { mapped, id: mapped && (mapped.id ?? source.id(request)) }
  } catch (error) {
    const said = error instanceof Error ? error.message : 'unknown'
    const why = redaction.conceal(undefined, request.body)(said).slice(0, 200)
    throw new EventRefused('event.invalid', `source "${source.name}" cannot map this delivery`, [
      { pointer: '', message: why },
    ])
  }
}

function singleHeaders(headers: IncomingWebhook['headers']): WebhookRequest['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  )
}

import type { Config } from '../define/config.ts'
import type { WebhookRequest, WebhookSource } from '../define/source.ts'
import { BusbarError } from '../errors.ts'
import type { NewEvent } from '../journal/port.ts'
import { parseBody } from './cloudevents.ts'
import { acceptEvent } from './event-input.ts'
import { EventRefused } from './faults.ts'

/** A webhook as the server got it. */
export interface IncomingWebhook {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly raw: Buffer
  /** Milliseconds since 1970, for the tolerance of signatures. */
  readonly now: number
}

/**
 * Turns a webhook into an event: its signature is verified over the raw bytes before anything is parsed, then its source
 * maps it. Undefined when the source ignores it. Throws `signature.invalid` (one answer for every cause), or what is
 * wrong with the event.
 */
export async function acceptWebhook(
  source: WebhookSource,
  incoming: IncomingWebhook,
  deps: { readonly config: Config; readonly onRefusedSignature?: (source: string, why: string) => void },
): Promise<NewEvent | undefined> {
  const { raw } = incoming
  const headers = singleHeaders(incoming.headers)
  const verification = source.signature?.verify({ headers, raw }, incoming.now)
  if (verification && !verification.ok) {
    deps.onRefusedSignature?.(source.name, verification.refused)
    throw new BusbarError('signature.invalid', 'the signature does not verify')
  }
  const { value, kind } = parseBody(raw, deps.config.http.maxDepth)
  if (kind === 'scalar') throw new EventRefused('event.invalid', 'the body must be a JSON object or array')
  const request: WebhookRequest = { headers, raw, body: value }
  const mapped = mapOf(source, request)
  if (!mapped) return undefined
  const id = mapped.id ?? source.id(request)
  if (!id)
    throw new EventRefused('event.invalid', 'the delivery does not say what identifies it', [
      { pointer: '/id', message: 'is required' },
    ])
  return acceptEvent(
    {
      id,
      source: source.source,
      type: mapped.event.type,
      subject: mapped.subject,
      time: mapped.time,
      extensions: headers['traceparent'] ? { traceparent: headers['traceparent'] } : {},
      data: JSON.stringify(mapped.data),
      value: mapped.data,
    },
    deps.config,
  )
}

/** The user's mapping; what it throws is a fault of this delivery. */
function mapOf(source: WebhookSource, request: WebhookRequest): ReturnType<WebhookSource['map']> {
  try {
    return source.map(request)
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : 'unknown'
    throw new EventRefused('event.invalid', `source "${source.name}" cannot map this delivery: ${why}`, [
      { pointer: '', message: why },
    ])
  }
}

function singleHeaders(headers: IncomingWebhook['headers']): WebhookRequest['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  )
}

/** A receiver of OTLP over HTTP in JSON, as a collector is one. */
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A span as it came. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly { readonly name: string }[]
  readonly links: readonly {
    readonly traceId: string
    readonly spanId: string
    readonly attributes: Readonly<Record<string, unknown>>
  }[]
  readonly status: { readonly code?: number; readonly message?: string }
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly resource: Readonly<Record<string, unknown>>
}

interface Value {
  readonly stringValue?: string
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly boolValue?: boolean
  readonly arrayValue?: { readonly values: readonly Value[] }
}
type Attributes = readonly { readonly key: string; readonly value: Value }[]
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, 'attributes' | 'links'> & {
        attributes?: Attributes
        links?: readonly { traceId: string; spanId: string; attributes?: Attributes }[]
      })[]
    }[]
  }[]
}

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = []
  readonly requests: {
    readonly path: string
    readonly headers: IncomingHttpHeaders
    readonly body: string
  }[] = []
  readonly #server: Server

  constructor() {
    this.#server = createServer((incoming, reply) => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.on('end', () => {
        const body = Buffer.concat(parts).toString()
        this.requests.push({ path: incoming.url ?? '', headers: incoming.headers, body })
        for (const { resource, scopeSpans } of (JSON.parse(body) as Export).resourceSpans)
          for (const { attributes = [], links = [], ...span } of scopeSpans.flatMap(({ spans }) => spans))
            this.spans.push({
              ...span,
              attributes: recordOf(attributes),
              links: links.map((link) => ({ ...link, attributes: recordOf(link.attributes ?? []) })),
              resource: recordOf(resource.attributes),
            })
        reply.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    })
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function recordOf(attributes: Attributes): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))
}

function plain({ stringValue, intValue, doubleValue, boolValue, arrayValue }: Value): unknown {
  if (arrayValue) return arrayValue.values.map(plain)
  return stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue) : Number(intValue))
}

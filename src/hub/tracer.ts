import type { Span, Tracer } from '@opentelemetry/api'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { CarriedEvent } from '../define/transport.ts'
import type { DoorTracer } from '../ingress/door-tracer.ts'
import {
  activeSpan,
  below,
  linksTo,
  spanContextOf,
  traceparentIn,
  traceparentOf,
} from '../telemetry/tracer.ts'
import { createEngineTracer } from './engine-tracer.ts'

/** What a hub traces, part by part. */
export interface HubTracer {
  readonly engine: ReturnType<typeof createEngineTracer>
  readonly door: DoorTracer
  /** Publishing in this process; `work` is given the traceparent that the event is stored with. */
  publish<T>(type: string, given: string | undefined, work: (traceparent: string) => Promise<T>): Promise<T>
  /** A source has fetched messages, which name these spans. */
  receive<T>(
    source: string,
    traceparents: readonly (string | undefined)[],
    work: () => Promise<T>,
  ): Promise<T>
  /** The relay hands events to the broker. */
  carry<T>(transport: string, events: readonly CarriedEvent[], work: () => Promise<T>): Promise<T>
}

/** Links of a batch: which events it was. */
const mostLinks = 64

/** Makes it of a tracer; `hub` is part of the ids of attempts. */
export function createHubTracer(tracer: Tracer, hub: string): HubTracer {
  return {
    engine: createEngineTracer(tracer, hub),
    door: createDoorTracer(tracer),

    publish(type, given, work) {
      const span = tracer.startSpan(
        `publish ${type}`,
        {
          kind: SpanKind.PRODUCER,
          attributes: {
            'messaging.system': 'busbar',
            'messaging.operation.name': 'publish',
            'messaging.operation.type': 'send',
            'messaging.destination.name': type,
            'cloudevents.event_type': type,
          },
        },
        below(spanContextOf(given) ?? activeSpan()),
      )
      return ended(span, () => work(given ?? traceparentOf(span.spanContext())))
    },

    receive(source, traceparents, work) {
      const span = tracer.startSpan(`receive ${source}`, {
        kind: SpanKind.CONSUMER,
        root: true,
        links: linksTo(traceparents, mostLinks),
        attributes: {
          'messaging.system': 'busbar',
          'messaging.operation.name': 'receive',
          'messaging.operation.type': 'receive',
          'messaging.destination.name': source,
          'messaging.batch.message_count': traceparents.length,
        },
      })
      return ended(span, work)
    },

    carry(transport, events, work) {
      const span = tracer.startSpan(`send ${transport}`, {
        kind: SpanKind.PRODUCER,
        root: true,
        links: linksTo(
          events.slice(0, mostLinks).map(({ ext }) => traceparentIn(ext)),
          mostLinks,
        ),
        attributes: {
          'messaging.system': transport,
          'messaging.operation.name': 'send',
          'messaging.operation.type': 'send',
          'messaging.batch.message_count': events.length,
          'busbar.seq.first': events[0]?.seq ?? 0,
          'busbar.seq.last': events.at(-1)?.seq ?? 0,
        },
      })
      return ended(span, work)
    },
  }
}

async function ended<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { code } = error as { code?: unknown }
    const type = typeof code === 'string' ? code : 'internal'
    span.setAttribute('error.type', type)
    span.setStatus({ code: SpanStatusCode.ERROR, message: type })
    throw error
  } finally {
    span.end()
  }
}

/** Requests to the door: the span of one begins where the request came, below the client's. */
function createDoorTracer(tracer: Tracer): DoorTracer {
  return {
    begin({ route, startedAt, client, event }) {
      const span = tracer.startSpan(
        `POST ${route}`,
        {
          kind: SpanKind.SERVER,
          startTime: startedAt,
          attributes: { 'http.request.method': 'POST', 'http.route': route, 'url.path': route },
        },
        below(spanContextOf(client) ?? spanContextOf(event)),
      )
      return {
        traceparent: traceparentOf(span.spanContext()),
        stored(events) {
          const [first] = events
          if (!first || !span.isRecording()) return
          span.setAttribute('messaging.batch.message_count', events.length)
          if (events.length > 1)
            for (const link of linksTo(
              events.slice(0, mostLinks).map(({ ext }) => traceparentIn(ext)),
              mostLinks,
            ))
              if (link.context.spanId !== span.spanContext().spanId) span.addLink(link)
          if (events.length === 1)
            span.setAttributes({
              'cloudevents.event_id': first.id,
              'cloudevents.event_source': first.source,
              'cloudevents.event_type': first.type,
            })
        },
        end(status, code) {
          span.setAttribute('http.response.status_code', status)
          if (code !== undefined) span.setAttribute('error.type', code)
          if (status >= 500)
            span.setStatus({ code: SpanStatusCode.ERROR, ...(code !== undefined && { message: code }) })
          span.end()
        },
      }
    },
  }
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NewEvent } from '../journal/port.ts'
import type { EventInput } from './event-input.ts'

/** Traces requests to the door. */
export interface DoorTracer {
  /** `client` is the traceparent of the request, `event` that of its only event. */
  begin(request: {
    readonly route: string
    /** Milliseconds since 1970. */
    readonly startedAt: number
    readonly client: string | undefined
    readonly event: string | undefined
  }): RequestTrace
}

/** One request. */
export interface RequestTrace {
  /** What an event is stored with that brings no trace of its own. */
  readonly traceparent: string
  stored(events: readonly NewEvent[]): void
  end(status: number, code: string | undefined): void
}

/** The traces of requests under way. */
export interface RequestTraces {
  /** The events with the trace that they belong to where they bring none: the span of this request, or its header. */
  inTrace(
    request: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly route: string },
    inputs: readonly EventInput[],
  ): readonly EventInput[]
  /** The same for what is read from the headers of a request. */
  traceparent(
    request: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly route: string },
    event?: string,
  ): string | undefined
  stored(request: FastifyRequest, events: readonly NewEvent[]): void
  refused(request: FastifyRequest, code: string): void
  answered(request: FastifyRequest, status: number): void
}

/** Keeps them; without a tracer events get what the header of their request says, and nothing else happens. */
export function requestTraces(tracer: DoorTracer | undefined): RequestTraces {
  const begun = new WeakMap<FastifyRequest, { readonly trace: RequestTrace; code?: string }>()
  const traceparent: RequestTraces['traceparent'] = ({ request, reply, route }, event) => {
    const header = request.headers['traceparent']
    const client = typeof header === 'string' ? header : undefined
    if (!tracer) return client
    const startedAt = Date.now() - reply.elapsedTime
    const trace = tracer.begin({ route, startedAt, client, event })
    begun.set(request, { trace })
    return trace.traceparent
  }
  return {
    traceparent,
    inTrace(request, inputs) {
      const [first] = inputs
      const event = inputs.length === 1 ? first?.extensions['traceparent'] : undefined
      const own = traceparent(request, typeof event === 'string' ? event : undefined)
      if (own === undefined) return inputs
      return inputs.map((input) =>
        input.extensions['traceparent'] === undefined
          ? { ...input, extensions: { ...input.extensions, traceparent: own } }
          : input,
      )
    },
    stored: (request, events) => begun.get(request)?.trace.stored(events),
    refused(request, code) {
      const known = begun.get(request)
      if (known) known.code = code
    },
    answered(request, status) {
      const known = begun.get(request)
      if (!known) return
      begun.delete(request)
      known.trace.end(status, known.code)
    },
  }
}

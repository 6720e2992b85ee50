import type { Attributes, Context, Link, SpanContext, Tracer } from '@opentelemetry/api'
import { context, INVALID_SPAN_CONTEXT, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api'
import type { ProxyTracerProvider } from '@opentelemetry/api'
import type { TelemetrySettings } from '../define/telemetry-config.ts'
import { BusbarError } from '../errors.ts'
import type { Log } from './log.ts'
import { traceIds } from './trace-ids.ts'

/** Where the spans of this process go. */
export interface Tracing {
  readonly tracer: Tracer
  /** Sends what is left, for at most a few seconds. Safe to call twice. */
  close(): Promise<void>
}

const scope = 'busbar'
const lastExportMs = 3_000

/**
 * Traces of this process: over OTLP where the configuration says so, else with the OpenTelemetry SDK that the embedding
 * application has registered, else over OTLP where the standard environment variables say so. Undefined where nothing of
 * that is there: then nothing is traced, and it costs nothing. Throws `config.invalid` when the configuration asks for
 * traces and the packages for it are missing.
 */
export async function openTracing(parts: {
  readonly settings: TelemetrySettings
  /** What `service.name` is unless `OTEL_SERVICE_NAME` says so. */
  readonly service: string
  readonly version: string
  readonly attributes: Attributes
  readonly log: Log
}): Promise<Tracing | undefined> {
  const { settings, version, log } = parts
  if (settings.otlp) return exported(parts, settings.otlp)
  const registered = (trace.getTracerProvider() as ProxyTracerProvider).getDelegateTracer?.(scope, version)
  if (registered) return { tracer: registered, close: async () => {} }
  const { env } = process
  if (env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return undefined
  if (!env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_ENDPOINT']) return undefined
  try {
    return await exported(parts, {})
  } catch (error) {
    log.warn({ err: error }, 'the environment says where traces go, but they cannot be sent')
    return undefined
  }
}

/** What is left out, the exporter takes from the environment. */
async function exported(
  { service, version, attributes }: Parameters<typeof openTracing>[0],
  otlp: { readonly url?: string; readonly headers?: Readonly<Record<string, string>> },
): Promise<Tracing> {
  const { BasicTracerProvider, BatchSpanProcessor, OTLPTraceExporter, resources } = await packages()
  const exporter = new OTLPTraceExporter({ ...otlp, ...(otlp.headers && { headers: { ...otlp.headers } }) })
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = resources
  const own = resourceFromAttributes({ 'service.name': service, 'service.version': version, ...attributes })
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(exporter)],
    idGenerator: traceIds,
  })
  let closed: Promise<void> | undefined
  return {
    tracer: provider.getTracer(scope, version),
    close: () => (closed ??= within(lastExportMs, provider.shutdown())),
  }
}

async function packages() {
  try {
    const [base, otlp, resources] = await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
    const { BasicTracerProvider, BatchSpanProcessor } = base
    return { BasicTracerProvider, BatchSpanProcessor, OTLPTraceExporter: otlp.OTLPTraceExporter, resources }
  } catch (error) {
    throw new BusbarError(
      'config.invalid',
      'traces need packages that are not installed: npm install @opentelemetry/sdk-trace-base @opentelemetry/resources @opentelemetry/exporter-trace-otlp-http',
      { cause: error },
    )
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([work.catch(() => undefined), promise])
  clearTimeout(timer)
}

const w3c = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** The span that a W3C traceparent names; undefined when it names none. */
export function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = w3c.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  const found = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags ?? '0', 16) & TraceFlags.SAMPLED,
    isRemote: true,
  }
  return trace.isSpanContextValid(found) ? found : undefined
}

/** A span as W3C Trace Context writes it. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0')}`
}

/** Where a span belongs below: a span elsewhere, or nothing. */
export function below(parent: SpanContext | undefined): Context {
  return parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT
}

/** The traceparent among the attributes of an event, JSON text; without parsing all of them. */
export function traceparentIn(ext: string): string | undefined {
  return /"traceparent":"([0-9a-f-]{55})"/.exec(ext)?.[1]
}

/** Links to these spans, those that are some. */
export function linksTo(traceparents: Iterable<string | undefined>, most: number): Link[] {
  const links: Link[] = []
  for (const each of traceparents) {
    const found = spanContextOf(each)
    if (found) links.push({ context: found })
    if (links.length >= most) break
  }
  return links
}

/** The span that the caller's own code is in, where it has an SDK. */
export function activeSpan(): SpanContext | undefined {
  const found = trace.getSpanContext(context.active())
  return found && found.spanId !== INVALID_SPAN_CONTEXT.spanId ? found : undefined
}

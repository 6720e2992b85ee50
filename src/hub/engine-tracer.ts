import type { Attributes, Context, Link, Span, Tracer } from '@opentelemetry/api'
import { context, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api'
import type { AttemptReport } from '../engine/attempt.ts'
import type { EngineObserver } from '../engine/attempts.ts'
import type { CallRun, Run, StepRun } from '../engine/run.ts'
import type { AttemptTrace, EngineTracer } from '../engine/tracer.ts'
import { spanIdOf, withIds } from '../telemetry/trace-ids.ts'
import { below, spanContextOf, traceparentIn, traceparentOf } from '../telemetry/tracer.ts'

/** What is open of a run in memory. */
interface RunTrace {
  readonly span: Span
  readonly context: Context
  readonly steps: Map<StepRun, { readonly span: Span; readonly context: Context }>
  /** What it came to. */
  state?: string
}

/** Earlier attempts of a step that a later one links to. */
const mostLinks = 8

/**
 * Traces runs: a span for a run while it is in memory, below the span that its event came from; one for each of its steps;
 * one for each attempt, whose context the system is sent. An attempt links to the earlier ones of its step, a replay to the
 * attempt of the run that it repeats: their ids follow from what they are about. Payloads, headers and queries are in none.
 */
export function createEngineTracer(
  tracer: Tracer,
  hub: string,
): EngineTracer & Pick<EngineObserver, 'became'> {
  const runs = new WeakMap<Run, RunTrace>()

  const traceOfRun = (run: Run, key: string): RunTrace => {
    const known = runs.get(run)
    if (known) return known
    const origin = spanContextOf(traceparentIn(run.event.ext))
    // Without a trace of the event's own, that of its first key, as it was before anything was traced.
    const span = withIds({ traceId: key.slice(0, 32) }, () =>
      tracer.startSpan(
        `process ${run.flow.name}`,
        { kind: SpanKind.CONSUMER, attributes: attributesOfRun(run) },
        below(origin),
      ),
    )
    const opened = { span, context: trace.setSpan(below(origin), span), steps: new Map() }
    runs.set(run, opened)
    return opened
  }

  const traceOfStep = ({ steps, context: parent }: RunTrace, stepRun: CallRun) => {
    const known = steps.get(stepRun)
    if (known) return known
    const { definition, gate } = stepRun.step
    const attributes = { 'busbar.step': definition.name, 'busbar.system': gate.name }
    const span = tracer.startSpan(`step ${definition.name}`, { attributes }, parent)
    const opened = { span, context: trace.setSpan(parent, span) }
    steps.set(stepRun, opened)
    return opened
  }

  return {
    begin(stepRun, key) {
      const run = traceOfRun(stepRun.run, key)
      const step = traceOfStep(run, stepRun)
      const { traceId } = step.span.spanContext()
      const number = stepRun.attempts + 1
      const { gate, definition } = stepRun.step
      const span = withIds({ spanId: attemptId(hub, stepRun, number) }, () =>
        tracer.startSpan(
          `call ${gate.name}`,
          {
            kind: SpanKind.CLIENT,
            links: linksOf(hub, stepRun, traceId),
            attributes: {
              'peer.service': gate.name,
              'busbar.flow': stepRun.run.flow.name,
              'busbar.step': definition.name,
              'busbar.attempt': number,
              ...addressOf(definition.system.address),
            },
          },
          step.context,
        ),
      )
      return attemptTrace(span, {
        context: trace.setSpan(step.context, span),
        address: definition.system.address,
        onSucceeded: () => endStep(run, stepRun),
      })
    },

    became(run, state) {
      const known = runs.get(run)
      if (known) known.state = state
    },

    left(run) {
      const known = runs.get(run)
      if (!known) return
      runs.delete(run)
      for (const { span } of known.steps.values()) span.end()
      const { span, state = 'waiting' } = known
      span.setAttribute('busbar.state', state)
      if (state === 'parked') span.setStatus({ code: SpanStatusCode.ERROR, message: 'parked' })
      span.end()
    },
  }
}

function attemptTrace(
  span: Span,
  parts: { readonly context: Context; readonly address: string; readonly onSucceeded: () => void },
): AttemptTrace {
  const { context: own, address, onSucceeded } = parts
  return {
    traceparent: traceparentOf(span.spanContext()),
    inside: (work) => context.with(own, work),
    end(report) {
      if (span.isRecording()) describe(span, report, address)
      span.end()
      if (report.outcome.kind === 'succeeded') onSucceeded()
    },
  }
}

function endStep({ steps }: RunTrace, stepRun: StepRun): void {
  steps.get(stepRun)?.span.end()
  steps.delete(stepRun)
}

/** What became of it: codes and classes; the words of the system may repeat what it was sent. */
function describe(span: Span, { outcome, records }: AttemptReport, address: string): void {
  const isHttp = /^https?:/.test(address)
  const call = isHttp ? records.at(-1)?.exchange?.call : undefined
  if (call) {
    span.updateName(call.method)
    span.setAttributes({
      'http.request.method': call.method,
      'url.full': new URL(address).origin + call.path,
    })
  }
  if (isHttp && outcome.status > 0) span.setAttribute('http.response.status_code', outcome.status)
  for (const { kind, outcome: word, at, ms, status } of records)
    span.addEvent(
      kind,
      { 'busbar.outcome': word, ...(status > 0 && { 'http.response.status_code': status }) },
      at + ms,
    )
  const failed = outcome.kind === 'failed'
  span.setAttribute('busbar.outcome', failed ? outcome.class : 'succeeded')
  if (!failed) return
  span.setAttribute('error.type', outcome.status >= 400 ? String(outcome.status) : outcome.class)
  span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.code })
}

function attributesOfRun({ flow, event, gen, key }: Run): Attributes {
  return {
    'messaging.system': 'busbar',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': event.type,
    'messaging.message.id': event.id,
    'cloudevents.event_id': event.id,
    'cloudevents.event_source': event.source,
    'cloudevents.event_type': event.type,
    'busbar.flow': flow.name,
    'busbar.seq': event.seq,
    'busbar.generation': gen,
    ...(event.key !== null && { 'busbar.key': key }),
  }
}

function addressOf(address: string): Attributes {
  if (!URL.canParse(address)) return {}
  const { hostname, port, protocol } = new URL(address)
  const known = { 'https:': 443, 'http:': 80 }[protocol]
  return { 'server.address': hostname, 'server.port': port === '' ? (known ?? 0) : Number(port) }
}

/** The same for everybody who knows the run, the step and the number. */
function attemptId(hub: string, { run, step }: CallRun, number: number, gen = run.gen): string {
  const { source, id } = run.event
  return spanIdOf(hub, run.flow.name, source, id, gen, step.definition.name, run.compensating, number)
}

function linksOf(hub: string, stepRun: CallRun, traceId: string): Link[] {
  const { attempts, run } = stepRun
  const link = (spanId: string, attributes: Attributes): Link => ({
    context: { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true },
    attributes,
  })
  const links: Link[] = []
  for (let number = attempts; number > Math.max(0, attempts - mostLinks); number--)
    links.push(link(attemptId(hub, stepRun, number), { 'busbar.link': 'retry', 'busbar.attempt': number }))
  const replayed = run.gen > 0 ? [...new Set([run.gen - 1, 0])] : []
  for (const gen of replayed)
    links.push(link(attemptId(hub, stepRun, 1, gen), { 'busbar.link': 'replay', 'busbar.generation': gen }))
  return links
}

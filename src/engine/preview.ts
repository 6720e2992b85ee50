import type { Conceal } from '../define/conceal.ts'
import type { Flow } from '../define/flow.ts'
import { redactionOf } from '../define/redaction.ts'
import type { BusEvent } from '../define/event.ts'
import type { CallStep } from '../define/step.ts'
import { underWayUntil } from '../define/abortable.ts'
import type { AttemptContext, Connector, System, Transport } from '../define/system.ts'
import { CallError } from '../errors.ts'
import type { StoredEvent } from '../journal/port.ts'
import { idempotencyKey } from './attempt-identity.ts'
import { busEvent, editedData } from './bus-event.ts'
import type { Clock } from './clock.ts'

/** A run whose requests are to be shown. */
export interface PreviewedRun {
  readonly event: StoredEvent
  /** The generation whose idempotency keys it would send. */
  readonly keyGen: number
  /** What steps gave the last time, by name. */
  readonly results: ReadonlyMap<string, unknown>
  /** Data that a person gives to a step in the place of the event's, as JSON, by name. */
  readonly edits?: ReadonlyMap<string, string>
  /** Only this step; the code of the others is not run. */
  readonly only?: string
  /** How often the data of that step was edited; default 0. */
  readonly keyNo?: number
}

/** What a step would send, or why that cannot be shown. */
export interface Preview {
  readonly step: string
  readonly system: string
  /** Its first request, as records hold it. */
  readonly request: string | undefined
  /** Its condition says no. */
  readonly skipped: boolean
  readonly why: string | undefined
}

/** How to show it. */
export interface PreviewDeps {
  readonly hub: string
  readonly clock: Clock
  readonly redact: readonly string[]
}

/** The user's code gets so long to come to its first request. */
const patienceMs = 2_000

const never: Transport = () =>
  Promise.reject(new CallError({ class: 'unavailable', message: 'this is a preview: nothing is sent' }))

/**
 * Runs the code of each call of these runs up to its first request, which is taken down in the place of being sent. Systems
 * whose connector does not promise to send through a given transport are left out. Results of earlier steps are those
 * of the last time. Never rejects.
 */
export async function previewRuns(
  flow: Flow,
  runs: readonly PreviewedRun[],
  deps: PreviewDeps,
): Promise<readonly (readonly Preview[])[]> {
  const contracts = new Map(flow.events.map((contract) => [contract.type, contract]))
  const redaction = redactionOf({ contracts, redact: deps.redact })
  const connectors = new Map<System, Connector<unknown>>()
  const connectorOf = (system: System) => {
    const known =
      connectors.get(system) ?? system.connect({ redact: deps.redact, transport: never, preview: true })
    connectors.set(system, known)
    return known
  }
  try {
    const previews: (readonly Preview[])[] = []
    for (const run of runs) {
      const seen = [run.event.data, ...(run.edits?.values() ?? [])]
      const conceals = seen.map((data) =>
        redaction.conceal(run.event.type, JSON.parse(data), Object.fromEntries(run.results)),
      )
      const conceal = (text: string) => conceals.reduce((left, each) => each(left), text)
      previews.push(await previewRun(flow, run, { ...deps, connectorOf, conceal }))
    }
    return previews
  } finally {
    await Promise.all([...connectors.values()].map((connector) => connector.close()))
  }
}

interface RunDeps extends PreviewDeps {
  readonly conceal: Conceal
  readonly connectorOf: (system: System) => Connector<unknown>
}

async function previewRun(flow: Flow, run: PreviewedRun, deps: RunDeps): Promise<readonly Preview[]> {
  const calls = flow.steps.filter(
    (step): step is CallStep => step.kind === 'call' && (run.only ?? step.name) === step.name,
  )
  const contract = flow.events.find(({ type }) => type === run.event.type)
  let event: BusEvent
  try {
    if (!contract) throw new CallError({ class: 'invalid', message: `no contract for "${run.event.type}"` })
    event = await busEvent(run.event, contract)
  } catch (error) {
    return calls.map((step) => hidden(step, deps.conceal(wordsOf(error))))
  }
  const previews: Preview[] = []
  for (const step of calls) {
    try {
      const edit = run.edits?.get(step.name)
      const seen = edit === undefined ? event : { ...event, data: await editedData(edit, contract) }
      previews.push(await previewStep(step, { flow, run, event: seen, deps }))
    } catch (error) {
      previews.push(hidden(step, deps.conceal(wordsOf(error))))
    }
  }
  return previews
}

interface StepParts {
  readonly flow: Flow
  readonly run: PreviewedRun
  readonly event: BusEvent
  readonly deps: RunDeps
}

async function previewStep(step: CallStep, parts: StepParts): Promise<Preview> {
  const { flow, run, event } = parts
  const facts = { event, results: Object.fromEntries(run.results) }
  const missing = step.after.find(
    (name) =>
      flow.steps.some((before) => before.name === name && before.kind === 'call') && !run.results.has(name),
  )
  try {
    if (missing !== undefined && step.when === undefined)
      return hidden(step, `it needs what ${missing} gives, and no result of that is known`)
    if (step.when && !step.when(facts as never))
      return { ...hidden(step, 'its condition says no'), skipped: true }
    if (!step.system.overTransport)
      return hidden(step, `the connector of ${step.system.name} cannot be kept from sending`)
    return await firstRequest(step, { ...parts, results: facts.results })
  } catch (error) {
    return hidden(step, parts.deps.conceal(wordsOf(error)))
  }
}

async function firstRequest(
  step: CallStep,
  { flow, run, event, deps, results }: StepParts & { readonly results: object },
): Promise<Preview> {
  const abort = new AbortController()
  const key = idempotencyKey(deps.hub, {
    run: { flow, event: run.event, keyGen: run.keyGen, compensating: false },
    step: { definition: step },
    keyNo: run.keyNo ?? 0,
  })
  let request: string | undefined
  const context: AttemptContext = {
    kind: 'send',
    idempotencyKey: key,
    traceparent: `00-${key.slice(0, 32)}-${key.slice(0, 16)}-00`,
    event,
    signal: abort.signal,
    ...underWayUntil(abort.signal),
    beforeRequest: async () => abort.signal.throwIfAborted(),
    checkLease: () => undefined,
    sent: () => undefined,
    record: (exchange) => void (request ??= deps.conceal(exchange.request)),
    conceal: deps.conceal,
  }
  const call = deps.connectorOf(step.system).open(context)
  const input = { event, results, call, idempotencyKey: key, attempt: 1, signal: abort.signal }
  const fault = await inTime(deps.clock, async () => step.run(input as never))
  abort.abort()
  if (request !== undefined)
    return { step: step.name, system: step.system.name, request, skipped: false, why: undefined }
  return hidden(step, deps.conceal(fault ?? 'it sends nothing'))
}

/** Why the work did not end well, in words; undefined when it did. */
async function inTime(clock: Clock, work: () => Promise<unknown>): Promise<string | undefined> {
  const late = Promise.withResolvers<string>()
  const cancel = clock.timer(patienceMs, () =>
    late.resolve(`it sends nothing within ${patienceMs / 1_000} s`),
  )
  const done = work().then(() => undefined, wordsOf)
  try {
    return await Promise.race([done, late.promise])
  } finally {
    cancel()
  }
}

function hidden({ name, system }: CallStep, why: string): Preview {
  return { step: name, system: system.name, request: undefined, skipped: false, why }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

import type { Flow } from '../define/flow.ts'
import type { Redaction } from '../define/redaction.ts'
import type { Connector, System } from '../define/system.ts'
import type { StepDefinition } from '../define/step.ts'
import type { Journal, RegisteredFlow, RegisteredStep } from '../journal/port.ts'
import type { SystemGate } from './gate.ts'
import type { FlowRuntime, StepRuntime } from './run.ts'

/** What the journal is told of the flows of this deployment. */
export function registrations(flows: readonly Flow[]): Parameters<Journal['registerFlows']>[0] {
  return flows.map((flow, ord) => ({
    name: flow.name,
    group: flow.lane,
    ord,
    types: flow.events.map((event) => event.type),
    steps: flow.steps.map((step) => registeredStep(flow, step)),
    ...(signalsOf(flow).length > 0 && { signals: signalsOf(flow) }),
    ordering: flow.ordering,
    onParked: flow.onParked,
    partitions: flow.partitions,
    start: typeof flow.start === 'string' ? flow.start : { at: flow.start.at.getTime() },
  }))
}

/** A flow of one plain call is registered as it always was, so that its version does not change. */
function registeredStep(flow: Flow, step: StepDefinition): RegisteredStep {
  const system = step.kind === 'call' ? { system: step.system.name } : {}
  return isSingle(flow)
    ? { name: step.name, ...system }
    : { name: step.name, kind: step.kind, after: step.after, ...system }
}

/** Whether everything about a run is said by its own row. */
function isSingle({ steps, onFailure }: Flow): boolean {
  const [only, ...others] = steps
  const isPlain = only?.kind === 'call' && !only.when && !only.undo && !only.dependsOn
  return isPlain && others.length === 0 && onFailure.kind === 'park'
}

/** The longest of its systems. */
function settleMsOf(steps: readonly StepRuntime[]): number {
  return Math.max(0, ...steps.map((step) => step.gate?.settings.settleMs ?? 0))
}

function signalsOf({ steps }: Flow): string[] {
  return [...new Set(steps.flatMap((step) => (step.kind === 'waitFor' ? step.contract.type : [])))]
}

/** The registered flows with their declarations and the gates and connectors of their systems. */
export function flowRuntimes(
  flows: readonly Flow[],
  registered: readonly RegisteredFlow[],
  {
    redaction,
    wires,
  }: {
    readonly redaction: Redaction
    readonly wires: (system: System) => { gate: SystemGate; connector: Connector<unknown> }
  },
): FlowRuntime[] {
  return registered.map(({ id, name, version, group, ord, types }) => {
    const flow = flows.find((candidate) => candidate.name === name) as Flow
    const places = new Map(flow.steps.map((step, place) => [step.name, place]))
    const steps = flow.steps.map((definition, place): StepRuntime => {
      const placed = { place, after: definition.after.map((before) => places.get(before) ?? 0) }
      return definition.kind === 'call'
        ? { definition, ...placed, ...wires(definition.system) }
        : { definition, ...placed }
    })
    return {
      id,
      name,
      version,
      group,
      ord,
      after: new Map(types.map(({ type, after }) => [type, after])),
      ordered: flow.ordering !== 'none',
      sequence: flow.sequence,
      latest: flow.ordering === 'latest' ? { settleMs: settleMsOf(steps) } : undefined,
      onParked: flow.onParked,
      onFailure: flow.onFailure,
      echoes: flow.echoes,
      redaction,
      capture: flow.capture,
      contracts: new Map(flow.events.map((event) => [event.type, event])),
      signals: signalsOf(flow),
      single: isSingle(flow),
      steps,
      gate: steps.find((step) => step.gate && step.after.length === 0)?.gate,
    }
  })
}

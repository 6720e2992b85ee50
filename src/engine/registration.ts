import type { Flow } from '../define/flow.ts'
import type { Connector, System } from '../define/system.ts'
import type { Journal, RegisteredFlow } from '../journal/port.ts'
import type { SystemGate } from './gate.ts'
import type { FlowRuntime, StepRuntime } from './run.ts'

/** What the journal is told of the flows of this deployment. */
export function registrations(flows: readonly Flow[]): Parameters<Journal['registerFlows']>[0] {
  return flows.map((flow, ord) => ({
    name: flow.name,
    group: flow.lane,
    ord,
    types: flow.events.map((event) => event.type),
    steps: flow.steps.map((step) => ({ name: step.name, system: step.system.name })),
    ordering: flow.ordering,
    onParked: flow.onParked,
    start: typeof flow.start === 'string' ? flow.start : { at: flow.start.at.getTime() },
  }))
}

/** The registered flows with their declarations and the gates and connectors of their systems. */
export function flowRuntimes(
  flows: readonly Flow[],
  registered: readonly RegisteredFlow[],
  wires: (system: System) => { gate: SystemGate; connector: Connector<unknown> },
): FlowRuntime[] {
  return registered.map(({ id, name, version, group, ord, types }) => {
    const flow = flows.find((candidate) => candidate.name === name) as Flow
    const steps = flow.steps.map((definition) => ({ definition, ...wires(definition.system) }))
    return {
      id,
      name,
      version,
      group,
      ord,
      after: new Map(types.map(({ type, after }) => [type, after])),
      ordered: flow.ordering !== 'none',
      onParked: flow.onParked,
      capture: flow.capture,
      contracts: new Map(flow.events.map((event) => [event.type, event])),
      steps,
      gate: (steps[0] as StepRuntime).gate,
    }
  })
}

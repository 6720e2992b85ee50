import { defineFlow } from '../../src/define/flow.ts'
import type { Flow } from '../../src/define/flow.ts'
import type { BusEvent } from '../../src/define/event.ts'
import { Worker } from '../../src/engine/worker.ts'
import { Appender } from '../../src/ingress/appender.ts'
import type { Journal } from '../../src/journal/port.ts'
import type { OrderData } from './contracts.ts'
import { changed, placed } from './contracts.ts'
import type { Dice } from './dice.ts'
import type { FlowPlan, Plan } from './plan.ts'
import { flowRetry, systemsOf } from './plan.ts'
import { stepsOf } from './process-flow.ts'
import type { SimulatedProcess } from './process.ts'
import type { Sink } from './sink.ts'

/** One process of busbar: a worker and the ingress beside it. */
export interface SimulatedNode {
  readonly process: SimulatedProcess
  readonly worker: Worker
  readonly appender: Appender
}

/** What a node is made of. */
export interface NodeDeps {
  readonly plan: Plan
  readonly process: SimulatedProcess
  readonly journal: Journal
  readonly sink: Sink
  readonly dice: Dice
  readonly onError: (error: unknown) => void
}

/** A node, not started. A worker that is declared dead takes its process with it. */
export function simulatedNode({ plan, process, journal, sink, dice, onError }: NodeDeps): SimulatedNode {
  const newer = process.clock.monotonic() >= plan.deployAt
  const partitions = process.clock.monotonic() >= plan.repartitionAt ? plan.newPartitions : plan.partitions
  const worker = new Worker({
    id: process.id,
    hub: 'simulation',
    flows: flowsOf(newer ? deployed(plan) : plan, sink, process).map((flow) => ({ ...flow, partitions })),
    journal,
    clock: process.clock,
    random: dice.next,
    observer: { attempted: () => undefined, became: () => undefined },
    leaseMs: plan.leaseMs,
    onDead: () => process.kill(),
    onError,
  })
  const appender = new Appender({
    log: () => journal,
    maxPending: { events: 1_000, bytes: 1_000_000 },
    onAppended: (stretch) => worker.appended(stretch),
  })
  return { process, worker, appender }
}

function deployed(plan: Plan): Plan {
  return { ...plan, flows: plan.flows.map((flow) => ({ ...flow, both: true })) }
}

function flowsOf(plan: Plan, sink: Sink, process: SimulatedProcess): Flow[] {
  const systems = new Map(
    systemsOf(plan.flows).map((system) => [system.name, sink.system(system, process)] as const),
  )
  return plan.flows.map((flow) => {
    const declared = flowOf(flow, systems.get(flow.system.name) as never, process)
    return flow.process
      ? { ...declared, steps: stepsOf(flow.name, flow.process, { systems, process }) }
      : declared
  })
}

function flowOf(
  { name, options, both, find, links, system: { verified }, process: several }: FlowPlan,
  system: ReturnType<Sink['system']>,
  process: SimulatedProcess,
): Flow {
  const onFailure = several && { onFailure: several.onFailure }
  const start = defineFlow<OrderData>(name, { start: 'beginning', ...options, ...onFailure })
  const poisoned = (event: BusEvent) => {
    if ((event.data as OrderData).poison) process.kill()
  }
  return start.on(placed, ...(both ? [changed] : [])).step('send', system, {
    retry: flowRetry,
    run: ({ event, call }) => {
      poisoned(event)
      return call.send(name, event)
    },
    ...(find && { find: ({ event, call }) => call.find(name, event) }),
    ...(links === 'gives' && {
      links: (_, { event }) => (event.key === undefined ? undefined : { customer: event.key }),
    }),
    ...(links === 'needs' && {
      dependsOn: ({ event, ids }) =>
        event.key === undefined ? undefined : ids('customer', event.key, 'crm'),
      // Longer than any world lasts: a release that is missed must show.
      dependsWithin: '24h',
    }),
    ...(verified && { verify: ({ event, call }) => call.verify(name, event) }),
  })
}

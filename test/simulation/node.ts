import { defineFlow } from '../../src/define/flow.ts'
import type { Flow } from '../../src/define/flow.ts'
import type { BusEvent, EventContract } from '../../src/define/event.ts'
import { Worker } from '../../src/engine/worker.ts'
import { Appender } from '../../src/ingress/appender.ts'
import type { Journal } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import type { FlowPlan, Plan } from './plan.ts'
import { flowRetry } from './plan.ts'
import type { SimulatedProcess } from './process.ts'
import type { Sink } from './sink.ts'

/** What an event carries. */
export interface OrderData {
  readonly number: string
  readonly revision: number
  /** It kills each process that runs it. */
  readonly poison: boolean
}

export const placed = contract('order.placed')
export const changed = contract('order.changed')

function contract<const Type extends string>(type: Type): EventContract<Type, OrderData> {
  return {
    kind: 'event',
    type,
    schema: {
      '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as OrderData }) },
    },
    key: (order) => order.number,
    version: '1',
  }
}

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
  const worker = new Worker({
    id: process.id,
    hub: 'simulation',
    flows: flowsOf(newer ? deployed(plan) : plan, sink, process),
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
    plan.flows.map(({ system }) => [system.name, sink.system(system, process)] as const),
  )
  return plan.flows.map((flow) => flowOf(flow, systems.get(flow.system.name) as never, process))
}

function flowOf(
  { name, options, both, find, links, system: { verified } }: FlowPlan,
  system: ReturnType<Sink['system']>,
  process: SimulatedProcess,
): Flow {
  const start = defineFlow(name, { start: 'beginning', ...options })
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

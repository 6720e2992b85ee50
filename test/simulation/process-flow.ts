import type { BusEvent } from '../../src/define/event.ts'
import type { StepDefinition } from '../../src/define/step.ts'
import { approveStep, callStep, waitForStep, waitStep } from '../../src/define/step.ts'
import type { System } from '../../src/define/system.ts'
import type { OrderData } from './contracts.ts'
import { captured } from './contracts.ts'
import type { SimulatedProcess } from './process.ts'
import type { CallPlan, ProcessPlan, StepPlan } from './process-plan.ts'
import type { TargetCall } from './sink.ts'

interface Facts {
  readonly event: BusEvent
}
interface Input extends Facts {
  readonly call: TargetCall
}

/** What the steps of a process are made of, in one simulated process of the system. */
export interface StepsDeps {
  readonly systems: ReadonlyMap<string, System<TargetCall>>
  readonly process: SimulatedProcess
}

/** The declared steps of a flow with several. */
export function stepsOf(flow: string, { steps }: ProcessPlan, deps: StepsDeps): StepDefinition[] {
  return steps.map((step) => {
    const conditions = { after: step.after, ...(step.conditional && { when: isEven }) }
    return step.kind === 'call'
      ? callStep(
          step.name,
          deps.systems.get(step.system.name) as System,
          {
            ...conditions,
            ...(callOptions(flow, step, deps.process) as object),
          } as never,
        )
      : pauseStep(step, conditions)
  })
}

/** What a conditional step looks at. */
export function isEven({ event }: Facts): boolean {
  return (event.data as OrderData).revision % 2 === 0
}

function callOptions(flow: string, { name, find, undo, attempts }: CallPlan, process: SimulatedProcess) {
  return {
    retry: { first: 100, factor: 2, cap: 1_500, attempts },
    run: ({ event, call }: Input) => {
      if ((event.data as OrderData).poison) process.kill()
      return call.send(flow, event, name)
    },
    ...(find && { find: ({ event, call }: Input) => call.find(flow, event, name) }),
    ...(undo && {
      undo: ({ event, call, result }: Input & { readonly result: { readonly reference: string } }) =>
        call.undo(flow, event, { step: name, reference: result.reference }),
    }),
  }
}

function pauseStep(step: Exclude<StepPlan, CallPlan>, conditions: object): StepDefinition {
  const { name, ms, onTimeout } = step
  if (step.kind === 'wait') return waitStep(name, { ...conditions, for: ms })
  const options = { ...conditions, timeout: ms, onTimeout }
  return step.kind === 'waitFor'
    ? waitForStep(name, captured, options)
    : approveStep(name, { ...options, role: 'clerk' })
}

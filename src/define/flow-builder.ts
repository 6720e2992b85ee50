import { BusbarError } from '../errors.ts'
import type { AnyContract, EventOf } from './event.ts'
import type { Flow } from './flow.ts'
import type {
  Approval,
  ApproveOptions,
  CallStep,
  OnTimeout,
  StepConditions,
  StepDefinition,
  StepOptions,
  WaitForOptions,
  WaitOptions,
} from './step.ts'
import { approveStep, callStep, waitForStep, waitStep } from './step.ts'
import type { System } from './system.ts'

/** What the types know of the steps so far, by name: the result, and the names of all that ended before. */
type Steps = Readonly<Record<string, { readonly result: unknown; readonly before: string }>>
type NameOf<S extends Steps> = keyof S & string

/** All that has surely ended when the steps named in `After` have. */
type Before<S extends Steps, After extends readonly string[]> = After[number] | S[After[number]]['before']

/** The results that a step behind `After` can rely on. */
export type ResultsOf<S extends Steps, After extends readonly string[]> = {
  readonly [Name in Before<S, After>]: S[Name]['result']
}

/** A step that a condition may skip may be without a result. */
type Perhaps<Result, When> = false extends When ? Result | undefined : Result

/** With one more step. Names stay apart, so that a mistake is told as "not assignable to 'sale' | 'invoice'". */
type With<S extends Steps, Name extends string, Result, After extends readonly string[]> = {
  readonly [N in NameOf<S> | Name]: N extends NameOf<S>
    ? S[N]
    : { readonly result: Result; readonly before: Before<S, After> }
}

type Ran<Result, Options> = Options extends { readonly onTimeout: 'continue' } ? Result | undefined : Result

/** A flow that may get more steps. Each method answers a new flow and leaves this one as it is. */
export interface FlowBuilder<Event, S extends Steps> extends Flow {
  /** A call to a system. */
  step<
    const Name extends string,
    Call,
    Result,
    const After extends readonly NameOf<S>[] = [],
    When extends boolean = true,
  >(
    name: Name,
    system: System<Call>,
    options: StepConditions<Event, ResultsOf<S, After>, After, When> &
      StepOptions<Event, Call, Result, ResultsOf<S, After>>,
  ): FlowBuilder<Event, With<S, Name, Perhaps<Result, When>, After>>

  /** A pause. It is kept in the journal: no process remembers it, and a restart does not shorten or lengthen it. */
  wait<const Name extends string, const After extends readonly NameOf<S>[] = [], When extends boolean = true>(
    name: Name,
    options: StepConditions<Event, ResultsOf<S, After>, After, When> & WaitOptions,
  ): FlowBuilder<Event, With<S, Name, undefined, After>>

  /** Waits for an event of the same key, which may have come already; its result is that event. */
  waitFor<
    const Name extends string,
    Contract extends AnyContract,
    const Options extends { readonly onTimeout?: OnTimeout },
    const After extends readonly NameOf<S>[] = [],
    When extends boolean = true,
  >(
    name: Name,
    event: Contract,
    options?: Options & StepConditions<Event, ResultsOf<S, After>, After, When> & WaitForOptions,
  ): FlowBuilder<Event, With<S, Name, Perhaps<Ran<EventOf<Contract>, Options>, When>, After>>

  /** Waits until a person approves; a refusal fails the step. */
  approve<
    const Name extends string,
    const Options extends { readonly onTimeout?: OnTimeout },
    const After extends readonly NameOf<S>[] = [],
    When extends boolean = true,
  >(
    name: Name,
    options: Options & StepConditions<Event, ResultsOf<S, After>, After, When> & ApproveOptions,
  ): FlowBuilder<Event, With<S, Name, Perhaps<Ran<Approval, Options>, When>, After>>
}

/** The methods of a flow without steps. */
export type FirstStep<Event> = Pick<
  FlowBuilder<Event, Readonly<Record<never, never>>>,
  'step' | 'wait' | 'waitFor' | 'approve'
>

/** A flow with these steps, and the methods that add one more. */
export function flowBuilder(flow: Omit<Flow, 'steps'>, steps: readonly StepDefinition[]): FirstStep<unknown> {
  const add = (step: StepDefinition): never => {
    checkStep(flow, step, steps)
    return flowBuilder(flow, [...steps, step]) as never
  }
  return {
    // Before its first step it is no flow yet.
    ...(steps.length > 0 && { ...flow, steps }),
    step: (name, system, options) => add(callStep(name, system, options as never)),
    wait: (name, options) => add(waitStep(name, options)),
    waitFor: (name, event, options) => add(waitForStep(name, event, options ?? {})),
    approve: (name, options) => add(approveStep(name, options)),
  }
}

/** What TypeScript would have refused: for those who write JavaScript. */
function checkStep(
  flow: Pick<Flow, 'name' | 'ordering'>,
  step: StepDefinition,
  earlier: readonly StepDefinition[],
): void {
  const names = earlier.map(({ name }) => name)
  const told = (problem: string) =>
    new BusbarError('config.invalid', `flow "${flow.name}", step "${step.name}": ${problem}`)
  if (names.includes(step.name)) throw told('there is a step of this name already')
  if (earlier.length >= maxSteps) throw told(`a flow has at most ${maxSteps} steps`)
  for (const before of step.after)
    if (!names.includes(before))
      throw told(
        `"after" names "${before}", which is no earlier step${names.length > 0 ? ` (those are ${names.join(', ')})` : ''}`,
      )
  if (step.kind === 'waitFor' && flow.ordering === 'none')
    throw told('a flow without order cannot wait for an event of its key')
  if (step.kind === 'call' && typeof (step as { run?: unknown }).run !== 'function')
    throw told('"run" is missing: the function that makes the call')
  if (step.kind === 'call' && step.version && !step.writes)
    throw told('"version" is of no use without "writes", which says what is written')
  if (step.kind === 'call' && step.undoWrites && !step.undo)
    throw told('"undoWrites" is of no use without "undo"')
}

const maxSteps = 50

/** The calls among a flow's steps. */
export function callsOf(flow: Pick<Flow, 'steps'>): CallStep[] {
  return flow.steps.filter((step) => step.kind === 'call')
}

/** The events that a flow speaks of: those that start it, and those that it waits for. */
export function eventsOf(flow: Pick<Flow, 'events' | 'steps'>): AnyContract[] {
  return [...flow.events, ...flow.steps.flatMap((step) => (step.kind === 'waitFor' ? step.contract : []))]
}

/** Runs that began with another version of their flow: what they may do with this one. */
import type { BegunAs, KnownStep } from '../journal/port.ts'
import type { FlowRuntime, Run, StepRun } from './run.ts'

/** A step that began as something else than it is now. */
export interface ChangedStep {
  readonly stepRun: StepRun
  readonly began: BegunAs
}

/** The same, if it did. */
export function changedStep(stepRun: StepRun, { began }: KnownStep): ChangedStep | undefined {
  if (began === null) return undefined
  const { definition, gate } = stepRun.step
  const isSame = began.kind === definition.kind && began.system === (gate?.name ?? null)
  return isSame ? undefined : { stepRun, began }
}

/**
 * Why a run cannot go on, in words; undefined when it can. What has ended stands, whatever the step is now; but it is not
 * undone in another system than the one that it was done in. What has begun and not ended is not taken for something else.
 */
export function obstacleOf(run: Run): string | undefined {
  const { flow, unknownSteps, changedSteps } = run
  if (flow.absent)
    return `its flow is not in the configuration of the process that runs its lane: deploy it again, or skip the run`
  if (unknownSteps.length > 0)
    return `this version of the flow does not know the run's steps ${unknownSteps.join(', ')}: deploy one that does, or skip the run`
  const [first] = changedSteps.filter((changed) => isInTheWay(run, changed))
  if (!first) return undefined
  const { began, stepRun } = first
  const { name } = stepRun.step.definition
  const doubt = stepRun.maybeAt === null ? '' : ', and whether it took effect is not known'
  return `step ${name} began as ${words(began)}${doubt}, and is something else in this version of the flow: deploy one that has it so, or skip the run`
}

function isInTheWay(run: Run, { stepRun: { phase }, began }: ChangedStep): boolean {
  if (phase === 'done') return run.compensating && began.kind === 'call'
  return phase !== 'skipped' && phase !== 'undone' && phase !== 'kept'
}

function words({ kind, system }: BegunAs): string {
  return kind === 'call' ? `a call of ${system ?? 'a system'}` : `"${kind}"`
}

/**
 * Steps that are new, before others that the run has begun already: it has passed them, and does not go back. The graph is
 * the judge: nothing begins before what it follows has ended, and has its row. A row that a person made says nothing.
 */
export function markPassed(run: Run, known: readonly KnownStep[]): void {
  const recorded = new Set(known.map(({ step }) => step))
  const begun = new Set(
    known.filter(({ attempts, firstAt }) => attempts > 0 || firstAt !== null).map(({ step }) => step),
  )
  const passed = new Set<number>()
  for (const { step } of run.steps.toReversed()) {
    if (begun.has(step.definition.name) || passed.has(step.place))
      for (const place of step.after) passed.add(place)
  }
  for (const stepRun of run.steps) {
    if (!passed.has(stepRun.step.place) || recorded.has(stepRun.step.definition.name)) continue
    stepRun.phase = 'skipped'
    stepRun.changed = true
    stepRun.trouble = {
      code: null,
      message: null,
      reason: 'it is new in the flow, and the run was past it already',
    }
  }
}

const processes = new WeakMap<FlowRuntime, FlowRuntime>()

/** The flow for runs of which the journal knows steps, although it has one plain call now: they speak for themselves. */
export function asProcess(flow: FlowRuntime): FlowRuntime {
  if (!flow.single) return flow
  const known = processes.get(flow) ?? { ...flow, single: false }
  processes.set(flow, known)
  return known
}

/**
 * A flow that this deployment does not have, in a lane group that it does: its runs are parked when their turn comes, and
 * hold their lane until a person has skipped them. Made from any flow of the group, whose rules it shares.
 */
export function absentFlow(
  of: FlowRuntime,
  { id, name, ord }: { id: number; name: string; ord: number },
): FlowRuntime {
  return {
    ...of,
    ...{ id, name, ord },
    single: false,
    absent: true,
    onFailure: { kind: 'park' },
    after: new Map(),
    contracts: new Map(),
    signals: [],
    gate: undefined,
    steps: [
      { definition: { kind: 'wait', name: '', after: [], when: undefined, forMs: 0 }, place: 0, after: [] },
    ],
  }
}

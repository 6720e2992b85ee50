import { Check, Pencil, RefreshCw, SkipForward, Undo2, X } from 'lucide-react'
import type { LucideIcon } from 'lucide-react'
import type { Need } from '../../may.ts'
import { systemsIn } from '../../me.ts'
import type { Asking } from './dialogs.tsx'
import type { RunDetail, Step } from './run.ts'

/** What a person can do with the run and its chosen step. */
export interface Way extends Need {
  readonly asking: Asking | 'edit'
  readonly name: string
  readonly about: string
  readonly icon: LucideIcon
  readonly key: string
}

/** What may be done now, whoever looks; each says which systems it is about. */
export function waysOut(run: RunDetail, step: Step): readonly Way[] {
  const can = (act: Step['acts'][number]) => step.acts.includes(act)
  const ways: (Way | false)[] = [
    run.acts.includes('retry') &&
      way('retry', 'Retry', 'The same data, the same idempotency keys', RefreshCw, 'r'),
    can('edit') && way('edit', 'Edit and retry', `Other data for ${step.name}`, Pencil, 'e'),
    can('approve') && way('approve', `Approve ${step.name}`, 'The run goes on', Check, 'a'),
    can('refuse') && way('refuse', `Refuse ${step.name}`, 'The step fails; needs a reason', X, 'x'),
    can('result') &&
      way('result', 'Supply the result', `Done by hand? Say what ${step.name} gave`, Check, 's'),
    can('skip')
      ? way('skip', `Skip ${step.name}`, `Goes on without it; needs a reason`, SkipForward, 'k')
      : run.acts.includes('skip') &&
        way('skip-run', 'Skip the run', 'Ends it for good; needs a reason', SkipForward, 'k'),
    run.acts.includes('compensate') && way('compensate', 'Compensate', compensates(run), Undo2, 'c'),
  ]
  return ways.flatMap((each) =>
    each === false ? [] : [{ ...each, touches: touchedBy(each.asking, run, step) }],
  )
}

/** A run by the system that it needs next, a step by the one that it calls; undoing, and what calls none, by all of the flow. */
function touchedBy(asking: Way['asking'], run: RunDetail, step: Step): readonly string[] {
  const all = systemsIn(run.steps)
  if (asking === 'compensate') return all
  const system = asking === 'retry' || asking === 'skip-run' ? run.system : step.system
  return system === null ? all : [system]
}

// eslint-disable-next-line max-params -- a row of the table above
function way(asking: Way['asking'], name: string, about: string, icon: LucideIcon, key: string): Way {
  return { asking, name, about, icon, key }
}

function compensates({ steps }: RunDetail): string {
  const done = steps.filter(({ state }) => state === 'done').map(({ name }) => name)
  return done.length === 0 ? 'Nothing is done yet' : `Undo ${done.toReversed().join(', then ')}`
}

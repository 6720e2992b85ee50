import { explainHead } from './explain.ts'
import type { Behind } from './queries/bulk-behind.ts'
import type { BulkAct, BulkPlan } from './schema/bulk.ts'
import type { Sentence } from './schema/common.ts'
import { count, link, say, sentences } from './sentence.ts'

const done = { retry: 'succeeded', skip: 'skipped', compensate: 'compensated' } as const

/** How far an act on many runs has come, and what happens next. Pure. */
export function explainBulk(
  act: Pick<BulkAct, 'verb' | 'state' | 'total' | 'counts' | 'stage' | 'stages'>,
  { stopped, behind }: { readonly stopped: string | null; readonly behind: Behind | undefined },
): Sentence {
  const { verb, state, total, counts } = act
  const { left, succeeded, failed, moved, held } = counts
  const underWay = counts.underWay - counts.behind
  const through = succeeded + failed + moved
  const parts = [
    ...(succeeded > 0 ? [`${number(succeeded)} ${done[verb]}`] : []),
    ...(failed > 0 ? [`${number(failed)} failed again`] : []),
    ...(moved > 0 ? [`${number(moved)} left alone, since ${whyMoved(verb, moved)}`] : []),
    ...(underWay > 0 ? [`${number(underWay)} under way`] : []),
    ...(counts.behind > 0 ? [`${number(counts.behind)} behind an earlier run`] : []),
    ...(held > 0 ? [`${number(held)} ${held === 1 ? 'waits' : 'wait'} for something else`] : []),
  ]
  const far = say`${number(through)} of ${number(total)} ${through === 1 ? 'is' : 'are'} through${
    parts.length > 0 ? `: ${parts.join(', ')}` : ''
  }`
  switch (state) {
    case 'planned':
      return sentences([say`Nothing is done before somebody starts it`])
    case 'running':
      return sentences([far, ...(behind ? [explainBehind(behind, act.stage)] : []), nextStage(act)])
    case 'paused':
      return sentences([far, say`It is paused: nothing more is begun until somebody resumes it`])
    case 'stopped':
      return sentences([
        far,
        say`It has stopped by itself, because ${stopped ?? 'too many failed'}: see why, mend it, and resume, or cancel the rest`,
      ])
    case 'cancelled':
      return sentences([
        far,
        say`It was cancelled: ${count(left, 'run')} ${left === 1 ? 'stays' : 'stay'} as ${left === 1 ? 'it was' : 'they were'}`,
      ])
    case 'done':
      return sentences([far])
  }
}

function explainBehind({ count: many, key, head, nowAt }: Behind, stage: number): Sentence {
  const first = key === null ? say`The first` : link('object', key)
  const { why } = explainHead(head, nowAt)
  return many === 1
    ? say`${first} ${why}`
    : say`${number(many)} of stage ${stage} wait behind earlier runs: ${first} ${why}`
}

function whyMoved(verb: BulkAct['verb'], moved: number): string {
  const acted = `somebody else had acted on ${moved === 1 ? 'it' : 'them'}`
  return verb === 'compensate' ? `there was nothing to undo, or ${acted}` : acted
}

function nextStage({ stage, stages }: Pick<BulkAct, 'stage' | 'stages'>): Sentence {
  const now = stages[stage - 1]
  const next = stages[stage]
  if (!now || !next) return say`This is the last stage`
  return say`The next ${number(next.size)} follow when these ${number(now.size)} are through, unless more than ${number(now.maxFailed)} ${now.maxFailed === 1 ? 'fails' : 'fail'}`
}

/** What an act sends and what it does not. Pure. */
export function explainBulkPlan(verb: BulkAct['verb'], plan: Omit<BulkPlan, 'tells'>): Sentence {
  const { runs, objects, systems, doneSteps, inDoubt, behind } = plan
  const named = `${count(runs, 'run')} of ${count(objects, 'object')}`
  const closed = systems.filter(({ standing }) => standing !== null && standing !== 'connected')
  const tells: Sentence[] =
    verb === 'retry'
      ? [
          say`${named}, in log order, each with the idempotency keys it had: a system that remembers them does nothing twice`,
          ...(doneSteps > 0
            ? [
                say`${count(doneSteps, 'step')} that ${doneSteps === 1 ? 'is' : 'are'} done ${doneSteps === 1 ? 'is' : 'are'} not sent again`,
              ]
            : []),
          ...(inDoubt > 0
            ? [
                say`Of ${count(inDoubt, 'run')} nobody knows whether the last request took effect: busbar looks first where it can, else ${inDoubt === 1 ? 'it needs' : 'they need'} a person again`,
              ]
            : []),
        ]
      : verb === 'skip'
        ? [say`${named} end for good without their work being done; nothing is sent`]
        : [
            say`What ${named} have done is undone, last step first; runs that have done nothing, or have a single step, are left alone`,
          ]
  for (const { system, standing } of closed)
    if (verb !== 'skip')
      tells.push(
        say`${link('system', system)} is ${(standing ?? '').replace('-', ' ')}: its runs are sent when it answers`,
      )
  if (behind > 0)
    tells.push(
      say`${count(behind, 'later run')} of the same objects ${behind === 1 ? 'follows' : 'follow'} by ${behind === 1 ? 'itself' : 'themselves'}`,
    )
  return sentences(tells)
}

function number(value: number): string {
  return value.toLocaleString('en')
}

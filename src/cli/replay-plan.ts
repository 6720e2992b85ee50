import type { PreviewedStep, Replay, ReplayPlan } from '../control/schema/replay.ts'
import { selectionOf, warningsOf } from '../control/replay-words.ts'
import { count } from '../control/sentence.ts'
import { facts } from './table.ts'
import type { Terminal } from './terminal.ts'
import { safe, styled } from './terminal.ts'
import { number } from './words.ts'

/** Runs whose differences are written out; the rest are counted. */
const mostShown = 5

/** A plan for people: what it would do, what to mind, and what would be sent differently. */
export function describePlan(terminal: Terminal, plan: ReplayPlan): string {
  const warnings = warningsOf(plan).map((warning) => styled(terminal, 'yellow', `! ${warning}`))
  return [
    factsOf(terminal, plan),
    ...(warnings.length > 0 ? ['', ...warnings] : []),
    '',
    ...previewOf(terminal, plan),
  ].join('\n')
}

function factsOf(terminal: Terminal, replay: Replay): string {
  const { plan } = replay
  const firsts = plan.firstObjects.join(', ') + (plan.objects > plan.firstObjects.length ? ', …' : '')
  const states = Object.entries(plan.states).map(([state, n]) =>
    state === 'none' ? `${number(n)} from before the flow began` : `${number(n)} ${state}`,
  )
  return facts(terminal, [
    ['replay', `${replay.id} of ${replay.flow}`],
    ['selection', selectionOf(replay)],
    ['events', number(plan.events)],
    ['objects', plan.objects === 0 ? 'none: these events have no key' : `${number(plan.objects)}: ${firsts}`],
    ['until now', states.join(', ')],
    ['keys', replay.keys === 'same' ? 'the same idempotency keys as before' : 'new idempotency keys'],
    [
      'how',
      `${[...replay.ramp.map(number), 'the rest'].join(', then ')}; at most ${replay.rate} a second; stops above ${Math.round(replay.maxErrors * 100)} % errors`,
    ],
  ])
}

function previewOf(terminal: Terminal, { preview }: ReplayPlan): string[] {
  const steps = preview.flatMap(({ seq, key, steps: own }) => own.map((step) => ({ seq, key, step })))
  if (steps.length === 0) return ['no requests were compared']
  const by = (result: PreviewedStep['result']) => steps.filter(({ step }) => step.result === result)
  const said = [
    `${by('changed').length} would differ`,
    `${by('same').length} are the same`,
    ...counted(
      by('not-recorded').length,
      'not recorded the first time (only failures are, unless the flow has capture: true)',
    ),
    ...counted(by('several').length, 'of steps with several requests, of which the last was recorded'),
    ...counted(by('skipped').length, 'skipped by condition'),
    ...counted(by('not-shown').length, 'cannot be shown'),
  ]
  const lines = [`of ${count(steps.length, 'request')} compared, ${said.join(', ')}`]
  for (const { seq, key, step } of by('changed').slice(0, mostShown)) {
    lines.push(
      '',
      styled(terminal, 'bold', `event ${seq}${key === null ? '' : ` (${safe(key)})`}, step ${step.step}`),
    )
    for (const { field, before, now } of step.differences) {
      lines.push(`  ${safe(field)}`)
      if (before !== null) lines.push(styled(terminal, 'red', `  - ${safe(before)}`))
      if (now !== null) lines.push(styled(terminal, 'green', `  + ${safe(now)}`))
    }
  }
  const [hidden] = by('not-shown')
  if (hidden) lines.push('', `not shown, for one: step ${hidden.step.step}: ${safe(hidden.step.why ?? '')}`)
  const [example] = by('not-recorded')
  if (by('changed').length === 0 && example?.step.request)
    lines.push(
      '',
      styled(terminal, 'bold', `for example event ${example.seq}, step ${example.step.step} would send`),
      ...example.step.request.split('\n').map((line) => `  ${safe(line)}`),
    )
  return lines
}

function counted(n: number, words: string): string[] {
  return n === 0 ? [] : [`${n} ${words}`]
}

import type { PreviewedStep, Replay, ReplayPlan } from '../control/schema/replay.ts'
import { count } from '../control/sentence.ts'
import { facts } from './table.ts'
import type { Terminal } from './terminal.ts'
import { safe, styled } from './terminal.ts'
import { number, span } from './words.ts'

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

/** The filter in words. */
export function selectionOf({ selection }: Pick<Replay, 'selection'>): string {
  if (selection['all'] === true) return 'everything'
  return Object.entries(selection)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(', ') : String(value)}`)
    .join('; ')
}

function warningsOf({ keys, plan }: ReplayPlan): string[] {
  const applied = plan.states['succeeded'] ?? 0
  const warnings: string[] = []
  if (keys === 'new' && applied > 0)
    warnings.push(`${count(applied, 'run')} had succeeded: with new keys, each of them is done a second time`)
  if (keys === 'same')
    for (const { system, lifeMs, passed } of plan.keyLives)
      if (lifeMs === 0)
        warnings.push(
          `${system} does not know idempotency keys: what had succeeded may be done a second time`,
        )
      else if (passed > 0)
        warnings.push(
          `${system} remembers keys for ${span(lifeMs)}: ${count(passed, 'run')} began before that, and may be done a second time`,
        )
  const undone = plan.states['compensated'] ?? 0
  if (keys === 'same' && undone > 0)
    warnings.push(
      `${count(undone, 'run')} had been compensated: a system that remembers the keys takes them for done, and does nothing`,
    )
  if (keys === 'same' && plan.edited > 0)
    warnings.push(
      `${count(plan.edited, 'run')} had a step edited by a person: the event as it came is sent, under the key of before the edit`,
    )
  return warnings
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

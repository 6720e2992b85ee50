import type { Command } from 'commander'
import { bodyDifferences } from '../../control/compare-requests.ts'
import { parseExactly } from '../../control/exact-json.ts'
import type { StepActResult } from '../../control/schema/act.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { parseRun } from '../run-argument.ts'
import type { Terminal } from '../terminal.ts'
import { safe, styled } from '../terminal.ts'
import { dataText } from './publish.ts'

const reasoned = ['--reason <text>', 'why; kept in the audit trail'] as const

/** `compensate`, `edit`, `supply`, `approve`, `refuse`: what a person does to a run of several steps. */
export function addStepCommands(program: Command, action: Action): void {
  program
    .command('compensate <run>')
    .description('undo what a run of several steps has done, last step first; also one that has succeeded')
    .requiredOption(...reasoned)
    .action(action(compensate))
  program
    .command('edit <run> <step>')
    .description('try a step again with other data than its event has, under a new idempotency key')
    .requiredOption('--data <data>', 'the data: JSON, @file, or - for stdin')
    .option('--reason <text>', 'kept in the audit trail')
    .option('--yes', 'do not ask', false)
    .action(action(edit))
  program
    .command('supply <run> <step> <result>')
    .description('say what a step gave, as if it had been called: JSON, @file, or - for stdin')
    .requiredOption(...reasoned)
    .action(action(supply))
  program
    .command('approve <run> <step>')
    .description('approve what a run waits for')
    .option('--note <text>', 'kept with the approval, and in the audit trail')
    .action(action(approve))
  program
    .command('refuse <run> <step>')
    .description('refuse what a run waits for: its step fails')
    .requiredOption(...reasoned)
    .action(action(refuse))
}

async function compensate(
  context: Context,
  run: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  const done = await context.client.compensateRun({ ...parseRun(run), reason })
  context.show(done, () => `${run} was ${done.before}; what it did is being undone`)
}

async function edit(
  context: Context,
  run: string,
  step: string,
  options: { readonly data: string; readonly reason?: string; readonly yes: boolean },
): Promise<void> {
  const { client, terminal } = context
  const at = parseRun(run)
  const data = await jsonOf(options.data)
  const { steps, event } = await client.getRun(at)
  const before = steps.find(({ name }) => name === step)?.input ?? event.data
  const lines = changed(terminal, before, data)
  if (lines.length === 0)
    throw new BusbarError('config.invalid', 'the data are what they were: use "busbar retry" to try again')
  for (const line of lines) terminal.err(line)
  if (!options.yes && terminal.ask) {
    const answer = await terminal.ask(`try step ${step} of ${run} again so? [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) return context.show({ done: false }, () => 'nothing was done')
  }
  const { reason } = options
  const done = await client.editStep({ ...at, step, data, ...(reason !== undefined && { reason }) })
  told(context, done, `step ${step} of ${run} is tried again with these data`)
}

async function supply(
  context: Context,
  ...[run, step, given, { reason }]: [
    run: string,
    step: string,
    given: string,
    options: { readonly reason: string },
  ]
): Promise<void> {
  const result = await jsonOf(given)
  const done = await context.client.supplyResult({ ...parseRun(run), step, result, reason })
  told(context, done, `step ${step} of ${run} counts as done`)
}

async function approve(
  context: Context,
  run: string,
  step: string,
  { note }: { readonly note?: string },
): Promise<void> {
  const at = { ...parseRun(run), step, ...(note !== undefined && { note }) }
  told(context, await context.client.approveStep(at), `step ${step} of ${run} is approved`)
}

async function refuse(
  context: Context,
  run: string,
  step: string,
  { reason }: { readonly reason: string },
): Promise<void> {
  const done = await context.client.refuseStep({ ...parseRun(run), step, reason })
  told(context, done, `step ${step} of ${run} is refused`)
}

function told(context: Context, done: StepActResult, sentence: string): void {
  context.show(done, () => `${sentence}; the run is ${done.state}`)
}

/** Written again as it came, digit by digit. */
async function jsonOf(given: string): Promise<unknown> {
  return parseExactly(await dataText(given))
}

/** What differs, field by field: as it was, and as it is to be. */
function changed(terminal: Terminal, before: unknown, now: unknown): string[] {
  return bodyDifferences(before, now, '').flatMap((difference) => [
    safe(difference.field || 'data'),
    ...(difference.before === null ? [] : [styled(terminal, 'red', `  - ${safe(difference.before)}`)]),
    ...(difference.now === null ? [] : [styled(terminal, 'green', `  + ${safe(difference.now)}`)]),
  ])
}

import type { Command } from 'commander'
import { bulkOutcomes } from '../../control/schema/bulk.ts'
import type { BulkAct, BulkDetail } from '../../control/schema/bulk.ts'
import { runId } from '../../control/sentence.ts'
import { bulkBar, followBulk } from '../bulk-progress.ts'
import type { BulkOptions } from '../bulk-start.ts'
import { startBulk } from '../bulk-start.ts'
import type { Action, Context } from '../context.ts'
import type { Staged } from '../staged.ts'
import { addStagedCommands, stagedState } from '../staged.ts'
import { facts } from '../table.ts'
import { moment, number, stateCell, words } from '../words.ts'

const acts = {
  start: 'startBulkAct',
  pause: 'pauseBulkAct',
  resume: 'resumeBulkAct',
  cancel: 'cancelBulkAct',
} as const

const bulkActs: Staged<BulkAct, BulkDetail['items'][number], BulkDetail> = {
  command: 'bulk',
  noun: 'number',
  nouns: 'acts',
  words: {
    command: 'acts on many runs: what was planned, how far it has come',
    list: 'list them, newest first; or show one with what became of each run ("list" may be left out)',
    outcome: 'of one: runs that are',
    start: 'begin a planned one',
    pause: 'begin no further run; those that were begun go on',
    resume: 'go on with one that was paused or has stopped',
    cancel: 'end it; runs that were begun go on, the rest stays as it is',
    follow: 'show how it goes on until it ends; Ctrl-C leaves the view, not the act',
  },
  outcomes: bulkOutcomes,
  page: (client, query) => client.listBulkActs(query),
  list: {
    none: 'no acts on many runs',
    columns: [
      { title: 'ID', right: true },
      { title: 'ACT' },
      { title: 'STATE' },
      { title: 'RUNS', right: true },
      { title: 'FAILED', right: true },
      { title: 'PLANNED' },
      { title: 'BY' },
      { title: 'HOW FAR', shrinks: true },
    ],
    row: (act) => [
      String(act.id),
      act.verb,
      stagedState(act),
      number(act.total),
      number(act.counts.failed),
      moment(act.createdAt),
      act.createdBy,
      words(act.why),
    ],
  },
  detail: (client, { outcome, ...query }) =>
    client.getBulkAct({ ...query, ...(outcome !== undefined && { outcome: outcome as 'left' }) }),
  head: (terminal, act) =>
    facts(terminal, [
      ['act', `${act.verb} of ${number(act.total)} runs`],
      ['problem', act.problem && `${act.problem.title} (${act.problem.fingerprint})`],
      ['state', stagedState(act)],
      ['so far', bulkBar(act)],
      ['by', `${act.createdBy}, ${moment(act.createdAt)}${act.reason === null ? '' : `: ${act.reason}`}`],
    ]),
  items: () => ({
    none: 'no such runs',
    columns: [
      { title: 'RUN', shrinks: true },
      { title: 'KEY', shrinks: true },
      { title: 'OUTCOME' },
      { title: 'STATE NOW' },
      { title: 'WHY', shrinks: true },
    ],
    row: ({ behind, ...item }) => [
      runId(item),
      item.key ?? '',
      item.outcome,
      item.state === null ? '' : stateCell(item.state),
      behind === null ? (item.message ?? '') : `waits behind ${runId(behind)}, ${behind.state}`,
    ],
  }),
  act: (client, verb, input) => client[acts[verb]](input),
  said: ({ why }) => words(why),
  follow: followBulk,
}

/** `bulk list`, which may be left out, and acts on all runs of a problem. */
export function addBulkCommands(program: Command, action: Action): void {
  const bulk = addStagedCommands(program, action, bulkActs)
  for (const [verb, description] of [
    ['skip', 'end all open runs of a problem for good, without doing their work, in stages'],
    ['compensate', 'undo what all open runs of a problem have done, in stages'],
  ] as const)
    withHow(bulk.command(`${verb} <problem>`).description(description))
      .requiredOption('--reason <text>', 'why; kept in the audit trail')
      .action(
        action((context: Context, problem: string, options: BulkOptions) =>
          startBulk(context, { verb, problem }, options),
        ),
      )
}

/** How carefully: for every command that acts on many runs. */
export function withHow(command: Command): Command {
  return command
    .option('--ramp [sizes]', 'in stages of these sizes, then the rest: 1,10,100 (the default), or none')
    .option(
      '--max-errors <share>',
      'stop when a larger share of a stage has failed; of the first, any',
      '10%',
    )
    .option('--plan-only', 'store the plan and show it; "busbar bulk start" begins it', false)
    .option('--yes', 'begin without asking', false)
}

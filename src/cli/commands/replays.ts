import type { Command } from 'commander'
import { replayOutcomes } from '../../control/schema/replay.ts'
import type { Replay, ReplayDetail } from '../../control/schema/replay.ts'
import { runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { countOf, oneOf, refuseOptions } from '../options.ts'
import { listed, mostListed } from '../pages.ts'
import { selectionOf } from '../../control/replay-words.ts'
import { barOf, followReplay } from '../replay-progress.ts'
import type { Cell } from '../table.ts'
import { facts, table, withMore } from '../table.ts'
import type { Terminal } from '../terminal.ts'
import { moment, number, stateCell, words } from '../words.ts'

/** `replays list`, which may be left out, and what can be done to a replay. */
export function addReplaysCommands(program: Command, action: Action): void {
  const replays = program.command('replays').description('replays: what was planned, how far it has come')
  replays
    .command('list [id]', { isDefault: true })
    .description('list replays, newest first; or show one with its items ("list" may be left out)')
    .option('--outcome <outcome>', `of one: items that are ${replayOutcomes.join(', ')}`)
    .option('--limit <n>', 'how many', '50')
    .action(action(list))
  for (const [verb, description] of [
    ['start', 'begin a planned replay'],
    ['pause', 'begin no further run; those that were begun go on'],
    ['resume', 'go on with a replay that was paused or has stopped'],
    ['cancel', 'end a replay; those of its runs that were begun go on'],
  ] as const)
    replays
      .command(`${verb} <id>`)
      .description(description)
      .option('--reason <text>', 'kept in the audit trail')
      .action(action(act(verb)))
  replays
    .command('follow <id>')
    .description('show how a replay goes on until it ends; Ctrl-C leaves the view, not the replay')
    .action(action((context: Context, id: string) => followReplay(context, idOf(id))))
}

function idOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new BusbarError('config.invalid', `"${text}" is no replay: "busbar replays" lists them by number`)
}

async function list(
  context: Context,
  id: string | undefined,
  options: { readonly limit: string; readonly outcome?: string },
): Promise<void> {
  const { client, terminal } = context
  const limit = countOf('--limit', options.limit, mostListed)
  if (id !== undefined) return showOne(context, idOf(id), { limit, outcome: options.outcome })
  refuseOptions({ outcome: options.outcome }, 'a list of replays')
  const page = await listed(limit, ({ limit: most, next }) =>
    client.listReplays({ limit: most, ...(next !== undefined && { before: Number(next) }) }),
  )
  context.show(page, (value) => {
    if (value.items.length === 0) return 'no replays'
    const columns = [
      { title: 'REPLAY', right: true },
      { title: 'FLOW', shrinks: true },
      { title: 'STATE' },
      { title: 'EVENTS', right: true },
      { title: 'DONE', right: true },
      { title: 'FAILED', right: true },
      { title: 'PLANNED' },
      { title: 'BY' },
      { title: 'WHY', shrinks: true },
    ]
    const rows = value.items.map((replay) => [
      String(replay.id),
      replay.flow,
      replayState(replay),
      number(replay.total),
      number(replay.counts.succeeded),
      number(replay.counts.failed),
      moment(replay.createdAt),
      replay.createdBy,
      words(replay.why),
    ])
    return withMore(terminal, value, table(terminal, columns, rows))
  })
}

function replayState({ state }: Pick<Replay, 'state'>): Cell {
  const styles = { running: 'blue', done: 'green', stopped: 'red', paused: 'yellow' } as const
  const style = state in styles ? styles[state as keyof typeof styles] : 'dim'
  return { text: state, style }
}

async function showOne(
  context: Context,
  id: number,
  { limit, outcome }: { readonly limit: number; readonly outcome: string | undefined },
): Promise<void> {
  const { client, terminal } = context
  const only = outcome === undefined ? {} : { outcome: oneOf('--outcome', outcome, replayOutcomes) }
  let replay: ReplayDetail | undefined
  const page = await listed(limit, async ({ limit: most, next }) => {
    replay = await client.getReplay({
      id,
      ...only,
      limit: most,
      ...(next !== undefined && { after: Number(next) }),
    })
    return replay
  })
  context.show({ ...(replay as ReplayDetail), ...page }, (value) => describe(terminal, value))
}

function describe(terminal: Terminal, replay: ReplayDetail): string {
  const head = facts(terminal, [
    ['replay', `${replay.id} of ${replay.flow}`],
    ['state', replayState(replay)],
    ['so far', barOf(replay)],
    ['selection', selectionOf(replay)],
    ['keys', replay.keys === 'same' ? 'the same as before' : 'new ones'],
    ['reason', `${replay.reason} (${replay.createdBy}, ${moment(replay.createdAt)})`],
    ['started', replay.startedAt === null ? null : moment(replay.startedAt)],
    ['ended', replay.endedAt === null ? null : moment(replay.endedAt)],
  ])
  if (replay.items.length === 0) return `${head}\n\nno such items`
  const columns = [
    { title: 'RUN', shrinks: true },
    { title: 'KEY', shrinks: true },
    { title: 'OUTCOME' },
    { title: 'STATE NOW' },
  ]
  const rows = replay.items.map(({ seq, key, outcome, generation, state }) => [
    generation === null ? `event ${seq}` : runId({ flow: replay.flow, seq, generation }),
    key ?? '',
    outcome,
    state === null ? '' : stateCell(state),
  ])
  return `${head}\n\n${withMore(terminal, replay, table(terminal, columns, rows))}`
}

function act(verb: 'start' | 'pause' | 'resume' | 'cancel') {
  return async (context: Context, given: string, { reason }: { readonly reason?: string }): Promise<void> => {
    const { client } = context
    const input = { id: idOf(given), ...(reason !== undefined && { reason }) }
    const ids = {
      start: 'startReplay',
      pause: 'pauseReplay',
      resume: 'resumeReplay',
      cancel: 'cancelReplay',
    } as const
    const replay = await client[ids[verb]](input)
    context.show(replay, ({ id, why }) => `replay ${id} ${words(why)}`)
  }
}

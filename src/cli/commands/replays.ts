import type { Command } from 'commander'
import { replayOutcomes } from '../../control/schema/replay.ts'
import type { Replay, ReplayDetail } from '../../control/schema/replay.ts'
import { selectionOf } from '../../control/replay-words.ts'
import { runId } from '../../control/sentence.ts'
import type { Action } from '../context.ts'
import { barOf, followReplay } from '../replay-progress.ts'
import type { Staged } from '../staged.ts'
import { addStagedCommands, stagedState } from '../staged.ts'
import { facts } from '../table.ts'
import { moment, number, stateCell, words } from '../words.ts'

const acts = {
  start: 'startReplay',
  pause: 'pauseReplay',
  resume: 'resumeReplay',
  cancel: 'cancelReplay',
} as const

const replays: Staged<Replay, ReplayDetail['items'][number], ReplayDetail> = {
  command: 'replays',
  noun: 'replay',
  nouns: 'replays',
  words: {
    command: 'replays: what was planned, how far it has come',
    list: 'list replays, newest first; or show one with its items ("list" may be left out)',
    outcome: 'of one: items that are',
    start: 'begin a planned replay',
    pause: 'begin no further run; those that were begun go on',
    resume: 'go on with a replay that was paused or has stopped',
    cancel: 'end a replay; those of its runs that were begun go on',
    follow: 'show how a replay goes on until it ends; Ctrl-C leaves the view, not the replay',
  },
  outcomes: replayOutcomes,
  page: (client, query) => client.listReplays(query),
  list: {
    none: 'no replays',
    columns: [
      { title: 'REPLAY', right: true },
      { title: 'FLOW', shrinks: true },
      { title: 'STATE' },
      { title: 'EVENTS', right: true },
      { title: 'DONE', right: true },
      { title: 'FAILED', right: true },
      { title: 'PLANNED' },
      { title: 'BY' },
      { title: 'WHY', shrinks: true },
    ],
    row: (replay) => [
      String(replay.id),
      replay.flow,
      stagedState(replay),
      number(replay.total),
      number(replay.counts.succeeded),
      number(replay.counts.failed),
      moment(replay.createdAt),
      replay.createdBy,
      words(replay.why),
    ],
  },
  detail: (client, { outcome, ...query }) =>
    client.getReplay({ ...query, ...(outcome !== undefined && { outcome: outcome as 'left' }) }),
  head: (terminal, replay) =>
    facts(terminal, [
      ['replay', `${replay.id} of ${replay.flow}`],
      ['state', stagedState(replay)],
      ['so far', barOf(replay)],
      ['selection', selectionOf(replay)],
      ['keys', replay.keys === 'same' ? 'the same as before' : 'new ones'],
      ['reason', `${replay.reason} (${replay.createdBy}, ${moment(replay.createdAt)})`],
      ['started', replay.startedAt === null ? null : moment(replay.startedAt)],
      ['ended', replay.endedAt === null ? null : moment(replay.endedAt)],
    ]),
  items: ({ flow }) => ({
    none: 'no such items',
    columns: [
      { title: 'RUN', shrinks: true },
      { title: 'KEY', shrinks: true },
      { title: 'OUTCOME' },
      { title: 'STATE NOW' },
    ],
    row: ({ seq, key, outcome, generation, state }) => [
      generation === null ? `event ${seq}` : runId({ flow, seq, generation }),
      key ?? '',
      outcome,
      state === null ? '' : stateCell(state),
    ],
  }),
  act: (client, verb, input) => client[acts[verb]](input),
  said: ({ id, why }) => `replay ${id} ${words(why)}`,
  follow: followReplay,
}

/** `replays list`, which may be left out, and what can be done to a replay. */
export function addReplaysCommands(program: Command, action: Action): void {
  addStagedCommands(program, action, replays)
}

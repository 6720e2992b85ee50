import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import type { Run, RunDetail } from '../../control/schema/run.ts'
import { runId } from '../../control/sentence.ts'
import type { Answer } from './answer.ts'
import { quotedData, words } from './answer.ts'
import { given, more, runData } from './object-tools.ts'
import { attemptWords, failedAttempt, runWords } from './run-words.ts'
import { Limit, look, RunName, runOf } from './tool.ts'

const mostAttempts = 10

/** Single runs, and what waits. */
export const runTools = [
  look({
    name: 'list_waiting',
    title: 'What waits',
    description:
      'Work that is not finished, newest event first: each run with what it waits for and until when. A run is one event handled by one flow. "parked" needs a person; "retrying" and "waiting" go on by themselves.',
    input: z.strictObject({
      state: z
        .enum(['open', 'waiting', 'retrying', 'running', 'parked'])
        .default('open')
        .describe('open: all four'),
      flow: z.string().max(80).optional(),
      system: z.string().max(80).optional().describe('Whose next or last call is to this system'),
      key: z.string().max(255).optional().describe('About this business object'),
      problem: z.string().max(255).optional().describe('Of this problem'),
      limit: Limit,
      cursor: z.string().max(40).optional().describe('The next of an earlier answer'),
    }),
    answer: listWaiting,
  }),
  look({
    name: 'get_run',
    title: 'One run',
    description:
      'One run: where it is and why, its steps, its attempts, what was sent and answered in the last that failed (secrets redacted), and the data of its event.',
    input: z.strictObject({ run: RunName }),
    answer: getRun,
  }),
]

type State = 'open' | 'waiting' | 'retrying' | 'running' | 'parked'
interface Filter {
  readonly state: State
  readonly flow?: string | undefined
  readonly system?: string | undefined
  readonly key?: string | undefined
  readonly problem?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

async function listWaiting(client: ControlClient, filter: Filter): Promise<Answer> {
  const page = await client.listRuns(given(filter))
  const line = (run: Run) =>
    `${runId(run)} (${run.key ?? 'no key'}) is ${run.state}${run.until === null ? '' : ` until ${run.until}`}: ${words(run.why)}`
  const none = page.next === null ? 'nothing waits' : 'none in the part of the log that was looked at'
  return {
    lines: [...(page.items.length === 0 ? [none] : page.items.map(line)), ...more('cursor', page.next)],
    data: { items: page.items.map(runData), next: page.next },
  }
}

async function getRun(client: ControlClient, { run }: { run: string }): Promise<Answer> {
  const detail = await client.getRun(runOf(run))
  return {
    lines: [
      `${runId(detail)}: event ${detail.eventId} from ${detail.source}, ${detail.type}, key ${detail.key ?? 'none'}, accepted ${detail.receivedAt}`,
      ...runWords(detail),
      ...detail.history.slice(0, mostAttempts).map(attemptWords),
      ...failedAttempt(detail),
      'data of its event:',
      ...quotedData(detail.event.data, 4_000),
    ],
    data: detailData(detail),
  }
}

function detailData({ steps, history, event, lane, ...run }: RunDetail) {
  return {
    ...runData(run),
    tries: run.tries,
    message: run.message,
    receivedAt: run.receivedAt,
    nextAt: run.nextAt,
    steps,
    attempts: history.slice(0, mostAttempts),
    lane,
    data: event.data,
  }
}

import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import type { Problem } from '../../control/schema/problem.ts'
import type { Run } from '../../control/schema/run.ts'
import { count, runId } from '../../control/sentence.ts'
import type { Answer } from './answer.ts'
import { words } from './answer.ts'
import { more, runData } from './object-tools.ts'
import { failedAttempt, runWords } from './run-words.ts'
import { Limit, look } from './tool.ts'

const mostRuns = 10

/** Unfinished runs by cause. */
export const problemTools = [
  look({
    name: 'list_problems',
    title: 'Problems',
    description:
      'Unfinished work grouped by cause (system, error code, message): how many runs, how many of them need a person, since when, who looks after it. Last seen first.',
    input: z.strictObject({
      state: z.enum(['unresolved', 'open', 'acknowledged', 'resolved', 'ignored']).default('unresolved'),
      limit: Limit,
      cursor: z.string().max(400).optional().describe('The next of an earlier answer'),
    }),
    answer: listProblems,
  }),
  look({
    name: 'explain_problem',
    title: 'A problem explained',
    description:
      'One problem: its cause in words, the exact request and answer of an attempt that failed, which objects it concerns, what busbar will do by itself and what only a person can do.',
    input: z.strictObject({
      problem: z.string().min(1).max(255).describe('Its fingerprint, as list_problems and get_run give it'),
    }),
    answer: explainProblem,
  }),
]

async function listProblems(
  client: ControlClient,
  {
    state,
    limit,
    cursor,
  }: { state: Problem['state'] | 'unresolved'; limit: number; cursor?: string | undefined },
): Promise<Answer> {
  const page = await client.listProblems({ state, limit, ...(cursor !== undefined && { cursor }) })
  const lines = page.items.map((problem) => `${problem.fingerprint}: ${headOf(problem)}`)
  return {
    lines: [...(lines.length === 0 ? [`no problem is ${state}`] : lines), ...more('cursor', page.next)],
    data: page,
  }
}

function headOf({ title, code, state, open, parked, firstSeen, lastSeen, owner }: Problem): string {
  const needs = parked === 0 ? 'none needs a person yet' : `${parked} need a person`
  return `${title} [${code}]; ${state}; ${count(open, 'open run')}, ${needs}; seen ${firstSeen} to ${lastSeen}${owner === null ? '' : `; ${owner} looks after it`}`
}

async function explainProblem(
  client: ControlClient,
  { problem: fingerprint }: { problem: string },
): Promise<Answer> {
  const problem = await client.getProblem({ fingerprint })
  const { items } = await client.listRuns({ problem: fingerprint, state: 'open', limit: mostRuns })
  const example = items.find(({ state }) => state === 'parked') ?? items[0]
  const detail = example && (await client.getRun(example))
  return {
    lines: [
      headOf(problem),
      ...(problem.note === null ? [] : [`note of a person: ${problem.note}`]),
      '',
      ...whatNext(problem),
      '',
      ...items.map((run) => `${runId(run)} (${run.key ?? 'no key'}) is ${run.state}: ${words(run.why)}`),
      ...(problem.open > items.length
        ? [`and ${problem.open - items.length} more; list_waiting has them`]
        : []),
      ...(detail
        ? ['', `one of them, ${runId(detail)}:`, ...runWords(detail), ...failedAttempt(detail)]
        : []),
    ],
    data: { problem, runs: items.map(runData), example: detail && exampleOf(detail) },
  }
}

function exampleOf(run: Run & { readonly history: readonly { readonly outcome: string }[] }) {
  return {
    run: runId(run),
    message: run.message,
    status: run.status,
    attempt: run.history.find(({ outcome }) => outcome !== 'succeeded'),
  }
}

/** What goes on by itself, and what does not. */
function whatNext({ open, parked, code }: Problem): string[] {
  const going = open - parked
  return [
    ...(open === 0 ? ['No run of it is open now.'] : []),
    ...(going > 0
      ? [
          `${count(going, 'run')} will be tried again by itself: nobody has to do anything for ${going === 1 ? 'it' : 'them'}.`,
        ]
      : []),
    ...(parked > 0
      ? [
          `${count(parked, 'run')} stand${parked === 1 ? 's' : ''} until a person acts. First repair the cause (${code}) in the system or in the data; then retry, or edit and retry; skip only what must never be done.`,
        ]
      : []),
  ]
}

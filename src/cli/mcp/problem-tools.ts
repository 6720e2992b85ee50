import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import type { Problem, ProblemDetail } from '../../control/schema/problem.ts'
import { problemStates } from '../../control/schema/problem.ts'
import { count, runId } from '../../control/sentence.ts'
import type { Answer } from './answer.ts'
import { quoted, words } from './answer.ts'
import { given, more, runData } from './object-tools.ts'
import { Limit, look } from './tool.ts'

const mostRuns = 10

/** Unfinished runs by cause. */
export const problemTools = [
  look({
    name: 'list_problems',
    title: 'Problems',
    description:
      'Unfinished work grouped by cause (system, error code, message): how many objects, whether a person must act or busbar goes on by itself and when, since when, who looks after it. Last seen first.',
    input: z.strictObject({
      state: z.enum([...problemStates, 'unresolved']).default('unresolved'),
      needs: z
        .enum(['person', 'busbar'])
        .optional()
        .describe('Only those that need a person, or that go on by themselves'),
      system: z.string().max(80).optional(),
      limit: Limit,
      cursor: z.string().max(400).optional().describe('The next of an earlier answer'),
    }),
    answer: listProblems,
  }),
  look({
    name: 'explain_problem',
    title: 'A problem explained',
    description:
      'One problem: its cause in words, the exact request and answer of an attempt that failed, which objects it concerns, what busbar will do by itself and what only a person can do, whether it was there before.',
    input: z.strictObject({
      problem: z.string().min(1).max(255).describe('Its fingerprint, as list_problems and get_run give it'),
    }),
    answer: explainProblem,
  }),
]

interface Filter {
  readonly state: Problem['state'] | 'unresolved'
  readonly needs?: 'person' | 'busbar' | undefined
  readonly system?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

async function listProblems(client: ControlClient, filter: Filter): Promise<Answer> {
  const page = await client.listProblems(given(filter))
  const lines = page.items.flatMap((problem) => [headOf(problem), `  ${words(problem.why)}`])
  return {
    lines: [
      ...(lines.length === 0 ? [`no problem is ${filter.state}`] : lines),
      ...more('cursor', page.next),
    ],
    data: { items: page.items.map(problemData), counts: page.counts, next: page.next },
  }
}

function headOf({ fingerprint, system, title, code, state, needs, owner }: Problem): string {
  const who = { person: 'a person must act', busbar: 'busbar goes on by itself', nobody: 'nobody must act' }[
    needs
  ]
  return `${fingerprint}: ${system}: ${title} [${code}]; ${state}, ${who}${owner === null ? '' : `; ${owner} looks after it`}`
}

function problemData({ trend: _trend, why, ...problem }: Problem) {
  return { ...problem, why: words(why) }
}

async function explainProblem(
  client: ControlClient,
  { problem: fingerprint }: { problem: string },
): Promise<Answer> {
  const [problem, { items }] = await Promise.all([
    client.getProblem({ fingerprint }),
    client.listProblemRuns({ fingerprint, limit: mostRuns }),
  ])
  return {
    lines: [
      headOf(problem),
      words(problem.why),
      ...(problem.note === null ? [] : [`note of a person: ${problem.note}`]),
      ...(problem.runbook === null ? [] : [`runbook: ${problem.runbook}`]),
      ...(problem.bulkAct === null
        ? []
        : [`an act on all of its runs: ${problem.bulkAct.verb}, ${problem.bulkAct.state}`]),
      ...(problem.times > 1 ? [`it has come ${problem.times} times, first ${problem.firstSeen}`] : []),
      ...(problem.behind > 0 ? [`${count(problem.behind, 'run')} behind those of it wait, too`] : []),
      ...(problem.parked > 0 ? [repair] : []),
      '',
      ...items.map((run) => `${runId(run)} (${run.key ?? 'no key'}) is ${run.state}: ${words(run.why)}`),
      ...(problem.open > items.length
        ? [`and ${problem.open - items.length} more; list_waiting has them`]
        : []),
      ...exampleOf(problem),
    ],
    data: { problem: problemData(problem), runs: items.map(runData), example: problem.example },
  }
}

const repair =
  'What is parked stands until a person acts: first repair the cause in the system or in the data, then retry, or edit and retry; skip only what must never be done.'

function exampleOf({ example }: ProblemDetail): string[] {
  if (example === null) return []
  return [
    '',
    `for example ${runId(example)}${example.step === null ? '' : `, step ${example.step}`}${example.attemptAt === null ? '' : `, tried ${example.attemptAt}`}:`,
    ...quoted(example.message ?? '', 600),
    ...(example.request === null ? [] : ['sent:', ...quoted(example.request)]),
    ...(example.response === null ? [] : ['answered:', ...quoted(example.response)]),
  ]
}

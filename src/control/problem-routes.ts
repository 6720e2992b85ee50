import { act, defineRoute, read } from './route.ts'
import {
  Problem,
  ProblemChange,
  ProblemDetail,
  ProblemGroups,
  ProblemGroupsQuery,
  ProblemPage,
  ProblemPath,
  ProblemRunPage,
  ProblemRunsQuery,
  ProblemsQuery,
} from './schema/problem.ts'

/** The operations on problems. */
export const problemRoutes = {
  listProblems: defineRoute({
    ...read,
    path: '/problems',
    tag: 'problems',
    summary: 'Unfinished runs by cause, last seen first, by state, system, flow, owner, and who has to act',
    query: ProblemsQuery,
    answer: ProblemPage,
  }),
  listProblemGroups: defineRoute({
    ...read,
    path: '/problem-groups',
    tag: 'problems',
    summary: 'Problems that are not over, gathered by system or by flow',
    query: ProblemGroupsQuery,
    answer: ProblemGroups,
  }),
  getProblem: defineRoute({
    ...read,
    path: '/problems/{fingerprint}',
    tag: 'problems',
    summary: 'A problem, with an example of its runs, its earlier times, and who did what about it',
    params: ProblemPath,
    answer: ProblemDetail,
  }),
  listProblemRuns: defineRoute({
    ...read,
    path: '/problems/{fingerprint}/runs',
    tag: 'problems',
    summary: 'The open runs of a problem, oldest event first',
    params: ProblemPath,
    query: ProblemRunsQuery,
    answer: ProblemRunPage,
  }),
  changeProblem: defineRoute({
    ...act,
    path: '/problems/{fingerprint}',
    tag: 'problems',
    summary:
      'Acknowledge a problem, ignore it until a moment, open it again, say who looks after it, leave a note or a link to a runbook',
    params: ProblemPath,
    body: ProblemChange,
    answer: Problem,
  }),
} as const

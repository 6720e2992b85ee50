import { z } from 'zod'
import { defineRoute } from './route.ts'
import {
  BulkResult,
  BulkRetryBody,
  GenerationQuery,
  NamePath,
  ProblemChange,
  ProblemPath,
  Because,
  RetryBody,
  RunPath,
  SkipBody,
} from './schema/act.ts'
import { SeqText } from './schema/common.ts'
import {
  AwaitedPage,
  AwaitedPath,
  AwaitedQuery,
  CancelBody,
  Cancelled,
  ExpectationList,
  ExpectationPath,
} from './schema/expectation.ts'
import { EventDetail, EventPage, EventsQuery } from './schema/event.ts'
import {
  AuditPage,
  AuditQuery,
  FlowList,
  Problem,
  ProblemPage,
  ProblemsQuery,
  Stats,
  StatsQuery,
  Status,
} from './schema/overview.ts'
import { ActResult, RunDetail, RunPage, RunsQuery } from './schema/run.ts'
import { GroupList, Paused, SystemDetail, SystemList, WorkerList } from './schema/system.ts'

const read = { method: 'GET', scope: 'read' } as const
const act = { method: 'POST', scope: 'operate' } as const

/** The control API: every operation by its id. Server, OpenAPI document and client are made from this table. */
export const routes = {
  status: defineRoute({
    ...read,
    path: '/status',
    tag: 'overview',
    summary: 'What is true now',
    answer: Status,
  }),
  listEvents: defineRoute({
    ...read,
    path: '/events',
    tag: 'events',
    summary: 'Events, newest first, by key, type, source, or source and id',
    query: EventsQuery,
    answer: EventPage,
  }),
  findEvent: defineRoute({
    ...read,
    path: '/events/by-identity',
    tag: 'events',
    summary: 'The event with this source and id',
    query: z.object({ source: z.string().min(1).max(255), id: z.string().min(1).max(255) }),
    answer: EventDetail,
  }),
  getEvent: defineRoute({
    ...read,
    path: '/events/{seq}',
    tag: 'events',
    summary: 'The event at this place in the log, with its data and what each flow made of it',
    params: z.object({ seq: SeqText }),
    answer: EventDetail,
  }),
  listRuns: defineRoute({
    ...read,
    path: '/runs',
    tag: 'runs',
    summary: 'Runs, newest event first, by flow, state, system, key, problem and time',
    query: RunsQuery,
    answer: RunPage,
  }),
  getRun: defineRoute({
    ...read,
    path: '/runs/{flow}/{seq}',
    tag: 'runs',
    summary: 'A run with its event, steps, attempts and lane',
    params: RunPath,
    query: GenerationQuery,
    answer: RunDetail,
  }),
  retryRun: defineRoute({
    ...act,
    path: '/runs/{flow}/{seq}/retry',
    tag: 'runs',
    summary: 'Try a parked or retrying run again now, with the same idempotency keys',
    params: RunPath,
    query: GenerationQuery,
    body: RetryBody,
    answer: ActResult,
  }),
  skipRun: defineRoute({
    ...act,
    path: '/runs/{flow}/{seq}/skip',
    tag: 'runs',
    summary: 'End a run for good without doing its work; the next run of its lane goes on',
    params: RunPath,
    query: GenerationQuery,
    body: SkipBody,
    answer: ActResult,
  }),
  retryRuns: defineRoute({
    ...act,
    path: '/runs/retry',
    tag: 'runs',
    summary: 'Try many parked or retrying runs again now, by filter, a bounded number at a time',
    body: BulkRetryBody,
    answer: BulkResult,
  }),
  listSystems: defineRoute({
    ...read,
    path: '/systems',
    tag: 'systems',
    summary: 'The systems and how they stand',
    answer: SystemList,
  }),
  getSystem: defineRoute({
    ...read,
    path: '/systems/{name}',
    tag: 'systems',
    summary: 'A system, the flows that call it, its unresolved problems',
    params: NamePath,
    answer: SystemDetail,
  }),
  pauseSystem: defineRoute({
    ...act,
    path: '/systems/{name}/pause',
    tag: 'systems',
    summary: 'Stop calling a system; what needs it waits and uses up no attempts',
    params: NamePath,
    body: Because,
    answer: Paused,
  }),
  resumeSystem: defineRoute({
    ...act,
    path: '/systems/{name}/resume',
    tag: 'systems',
    summary: 'Call a paused system again',
    params: NamePath,
    body: Because,
    answer: Paused,
  }),
  listGroups: defineRoute({
    ...read,
    path: '/groups',
    tag: 'groups',
    summary: 'The lane groups, who runs them, and how far they have come',
    answer: GroupList,
  }),
  pauseGroup: defineRoute({
    ...act,
    path: '/groups/{name}/pause',
    tag: 'groups',
    summary: 'Start no run of a lane group; its events wait in the log',
    params: NamePath,
    body: Because,
    answer: Paused,
  }),
  resumeGroup: defineRoute({
    ...act,
    path: '/groups/{name}/resume',
    tag: 'groups',
    summary: 'Go on with a paused lane group',
    params: NamePath,
    body: Because,
    answer: Paused,
  }),
  listFlows: defineRoute({
    ...read,
    path: '/flows',
    tag: 'flows',
    summary: 'The flows as declared, and how far each is behind the log',
    answer: FlowList,
  }),
  listProblems: defineRoute({
    ...read,
    path: '/problems',
    tag: 'problems',
    summary: 'Unfinished runs by cause, last seen first',
    query: ProblemsQuery,
    answer: ProblemPage,
  }),
  getProblem: defineRoute({
    ...read,
    path: '/problems/{fingerprint}',
    tag: 'problems',
    summary: 'A problem, with its open runs counted',
    params: ProblemPath,
    answer: Problem,
  }),
  changeProblem: defineRoute({
    ...act,
    path: '/problems/{fingerprint}',
    tag: 'problems',
    summary: 'Acknowledge, ignore or reopen a problem, say who looks after it, leave a note',
    params: ProblemPath,
    body: ProblemChange,
    answer: Problem,
  }),
  listExpectations: defineRoute({
    ...read,
    path: '/expectations',
    tag: 'expectations',
    summary: 'Events that must follow others: how many are open, how many overdue',
    answer: ExpectationList,
  }),
  listAwaited: defineRoute({
    ...read,
    path: '/expectations/{name}/open',
    tag: 'expectations',
    summary: 'What an expectation awaits: overdue first, then by when it is due',
    params: ExpectationPath,
    query: AwaitedQuery,
    answer: AwaitedPage,
  }),
  cancelAwaited: defineRoute({
    ...act,
    path: '/expectations/{name}/{seq}/cancel',
    tag: 'expectations',
    summary: 'Await no longer what must follow an event; its problem is resolved',
    params: AwaitedPath,
    body: CancelBody,
    answer: Cancelled,
  }),
  listWorkers: defineRoute({
    ...read,
    path: '/workers',
    tag: 'overview',
    summary: 'The processes that run flows',
    answer: WorkerList,
  }),
  stats: defineRoute({
    ...read,
    path: '/stats',
    tag: 'overview',
    summary: 'What attempts came to, over time, by flow, system and outcome',
    query: StatsQuery,
    answer: Stats,
  }),
  listAudit: defineRoute({
    ...read,
    path: '/audit',
    tag: 'overview',
    summary: 'Who did what, newest first',
    query: AuditQuery,
    answer: AuditPage,
  }),
} as const

/** The table's type: what the client's methods and the server's handlers are typed by. */
export type Routes = typeof routes
/** The id of an operation. */
export type RouteId = keyof Routes

/** Where all paths of the table begin. */
export const apiPrefix = '/api/v1'

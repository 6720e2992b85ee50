import type { Caller } from '../access/caller.ts'
import { BusbarError } from '../errors.ts'
import type { Redaction } from '../define/redaction.ts'
import type { Database } from '../journal/database.ts'
import { accessHandlers } from './access-handlers.ts'
import type { AccessDoor } from './access-handlers.ts'
import { actOnBulk } from './acts/act-on-bulk.ts'
import type { ActOnBulk } from './acts/act-on-bulk.ts'
import { actOnReplay } from './acts/act-on-replay.ts'
import type { ReplayAct } from './acts/act-on-replay.ts'
import { actOnRun } from './acts/act-on-run.ts'
import { actOnStep } from './acts/act-on-step.ts'
import { cancelExpected } from './acts/cancel-expected.ts'
import { changeProblem } from './acts/change-problem.ts'
import { actOnRejected, missingRejected, retryManyRejected } from './acts/outbox.ts'
import { removeLink, setLink } from './acts/links.ts'
import { endMaintenance, setMaintenance } from './acts/maintenance.ts'
import { changePause } from './acts/pause.ts'
import { testSystem } from './acts/test-system.ts'
import { removeFlow } from './acts/remove-flow.ts'
import { removeQueue } from './acts/remove-queue.ts'
import { planBulk } from './acts/plan-bulk.ts'
import { compareReplay, planReplay } from './acts/plan-replay.ts'
import { retryRuns } from './acts/retry-runs.ts'
import { listAudit, verifyAudit } from './queries/audit.ts'
import { publishTest } from './acts/publish-test.ts'
import { asyncApiDocument } from './asyncapi.ts'
import type { Declared } from './declared.ts'
import { doorDocument } from './door-openapi.ts'
import { readCatalog } from './queries/catalog.ts'
import { listRefused } from './queries/refused.ts'
import { testAlertChannel } from './acts/test-alert-channel.ts'
import { listAlertChannels, listAlertDeliveries } from './queries/alerts.ts'
import { findBulkDetail, listBulkActs } from './queries/bulk-acts.ts'
import { findEvent, listEvents, seqOfEvent } from './queries/events.ts'
import { listAwaited, listExpectations } from './queries/expectations.ts'
import { listFlows } from './queries/flows.ts'
import { listGroups } from './queries/groups.ts'
import { listLinks } from './queries/links.ts'
import { missingRun } from './queries/missing-run.ts'
import { readMap } from './queries/map.ts'
import { readNow } from './queries/now.ts'
import { findRejected, readOutbox } from './queries/outbox.ts'
import { findByExternalId, findObject } from './queries/object.ts'
import { listObjects } from './queries/objects.ts'
import { findProblemDetail } from './queries/problem-detail.ts'
import { listProblemRuns } from './queries/problem-runs.ts'
import { listProblemGroups } from './queries/problem-groups.ts'
import { listProblems } from './queries/problems.ts'
import { findReplayDetail, listReplays } from './queries/replays.ts'
import { findRun } from './queries/run-detail.ts'
import { listRuns } from './queries/runs.ts'
import { previewStep } from './queries/step-preview.ts'
import { search } from './queries/search.ts'
import { readStats } from './queries/stats.ts'
import { readStatus } from './queries/status.ts'
import { systemHistory } from './queries/system-history.ts'
import { findSystem, listSystems } from './queries/systems.ts'
import { readTransport } from './queries/transport.ts'
import type { TransportInUse } from './queries/transport.ts'
import type { NounOf } from './queries/waiting.ts'
import { listWorkers } from './queries/workers.ts'
import type { FlowCode } from './flow-code.ts'
import { auditFor, shownAudit, shownEvent, shownRun, shownText } from './redact.ts'
import type { CheckedInput, RouteAnswer } from './route.ts'
import type { RouteId, Routes } from './route-table.ts'

/** Who asks, and where the answer is. */
export interface Call {
  readonly database: Database
  /** Stands in the audit trail: the caller's id. */
  readonly actor: string
  readonly caller: Caller
  readonly door: AccessDoor
  /** Absent: this process has no flows. */
  readonly code?: FlowCode | undefined
  readonly transport: TransportInUse
  /** What people call the objects of an event type. */
  readonly nounOf: NounOf
  /** What must not be shown: see `redact.ts`. */
  readonly redaction: Redaction
  /** What the configuration of this process declares; absent: it has none. */
  readonly declared?: Declared | undefined
}

/** Does an operation; throws `BusbarError`. */
export type Handlers = {
  readonly [Id in RouteId]: (call: Call, input: CheckedInput<Routes[Id]>) => Promise<RouteAnswer<Routes[Id]>>
}

const nothing: Pick<Declared, 'name' | 'types' | 'sources'> = { name: 'busbar', types: [], sources: [] }

/** Each operation of the route table: a query or an act, and what it says when there is no such thing. */
export const handlers: Handlers = {
  status: ({ database, transport, nounOf }) => readStatus(database, transport, nounOf),
  async now({ database, transport, nounOf, redaction, caller }, { hours }) {
    const now = await readNow(database, { transport, nounOf, hours })
    return { ...now, lately: now.lately.map((entry) => auditFor(caller, shownAudit(entry, redaction))) }
  },
  map: ({ database, nounOf }, { minutes }) => readMap(database, minutes, nounOf),
  search: ({ database }, query) => search(database, query),
  listObjects: ({ database }, query) => listObjects(database, query),
  findObject: ({ database }, query) => findByExternalId(database, query),
  getObject: ({ database }, query) => findObject(database, query),
  listEvents: ({ database }, query) => listEvents(database, query),
  async findEvent({ database, redaction }, identity) {
    const seq = await seqOfEvent(database, identity)
    const event = seq === undefined ? undefined : await findEvent(database, seq)
    return shownEvent(
      there(event, `there is no event ${identity.id} of source ${identity.source}`),
      redaction,
    )
  },
  listRefused: ({ database }, query) => listRefused(database, query),
  publishTest: ({ database, actor, declared }, body) => publishTest(database, declared, { ...body, actor }),
  readCatalog: ({ database, declared = nothing }) => readCatalog(database, declared),
  asyncApi: async ({ declared = nothing }) => asyncApiDocument(declared, 'localhost:7070'),
  doorOpenApi: async ({ declared = nothing }) => doorDocument(declared),
  getEvent: async ({ database, redaction }, { seq }) =>
    shownEvent(there(await findEvent(database, seq), `there is no event ${seq}`), redaction),
  listRuns: ({ database }, query) => listRuns(database, query),
  async getRun({ database, code, redaction }, ref) {
    const run = await findRun(database, ref, code)
    if (!run) throw await missingRun(database, ref)
    return shownRun(run, redaction)
  },
  retryRun: ({ database, actor }, { reason = null, mayDouble, ...run }) =>
    actOnRun(database, { verb: 'retry', run, actor, reason, mayDouble }),
  skipRun: ({ database, actor }, { reason, ...run }) =>
    actOnRun(database, { verb: 'skip', run, actor, reason }),
  compensateRun: ({ database, actor }, { reason, ...run }) =>
    actOnRun(database, { verb: 'compensate', run, actor, reason }),
  previewStep: ({ database, code, redaction }, { data, step, ...run }) =>
    previewStep(database, redaction, { run, step, data, code }),
  editStep: ({ database, actor, redaction }, { data, reason = null, step, ...run }) =>
    actOnStep(database, redaction, { act: 'edit', run, step, data, actor, reason }),
  supplyResult: ({ database, actor, redaction }, { result, reason, step, ...run }) =>
    actOnStep(database, redaction, { act: 'result', run, step, data: result, actor, reason }),
  skipStep: ({ database, actor, redaction }, { reason, step, ...run }) =>
    actOnStep(database, redaction, { act: 'skip', run, step, actor, reason }),
  approveStep: ({ database, actor, redaction }, { note, step, ...run }) =>
    actOnStep(database, redaction, {
      act: 'approve',
      run,
      step,
      data: { by: actor, at: new Date().toISOString(), ...(note !== undefined && { note }) },
      actor,
      reason: note ?? null,
    }),
  refuseStep: ({ database, actor, redaction }, { reason, step, ...run }) =>
    actOnStep(database, redaction, { act: 'refuse', run, step, actor, reason }),
  retryRuns: ({ database, actor }, body) => retryRuns(database, body, actor),
  listLinks: ({ database }, query) => listLinks(database, query),
  setLink: ({ database, actor }, body) => setLink(database, body, actor),
  removeLink: ({ database, actor }, body) => removeLink(database, body, actor),
  planReplay: ({ database, actor, code, redaction }, body) =>
    planReplay(database, body, { actor, code, redaction }),
  listReplays: ({ database }, query) => listReplays(database, query),
  getReplay: async ({ database }, { id, ...query }) =>
    there(await findReplayDetail(database, id, query), `there is no replay ${id}`),
  compareReplay: ({ database, code, redaction }, input) =>
    compareReplay(database, input, { code, redaction }),
  startReplay: (call, input) => replay(call, input, 'start'),
  pauseReplay: (call, input) => replay(call, input, 'pause'),
  resumeReplay: (call, input) => replay(call, input, 'resume'),
  cancelReplay: (call, input) => replay(call, input, 'cancel'),
  listSystems: async ({ database, nounOf }) => ({
    items: await listSystems(database, { nounOf, withDay: true }),
  }),
  getSystem: async ({ database, nounOf }, { name }) =>
    there(await findSystem(database, name, nounOf), `there is no system ${name}`),
  systemHistory: async ({ database }, { name, hours }) =>
    there(await systemHistory(database, name, hours), `there is no system ${name}`),
  testSystem: ({ database, actor }, { name, reason = null }) => testSystem(database, { name, actor, reason }),
  setMaintenance: ({ database, actor }, { note = null, ...window }) =>
    setMaintenance(database, { ...window, note, actor }),
  endMaintenance: ({ database, actor }, { reason = null, ...window }) =>
    endMaintenance(database, { ...window, reason, actor }),
  pauseSystem: (call, input) => pause(call, input, { kind: 'system', paused: true }),
  resumeSystem: (call, input) => pause(call, input, { kind: 'system', paused: false }),
  listGroups: async ({ database }) => ({ items: await listGroups(database) }),
  pauseGroup: (call, input) => pause(call, input, { kind: 'group', paused: true }),
  resumeGroup: (call, input) => pause(call, input, { kind: 'group', paused: false }),
  listFlows: async ({ database }) => ({ items: await listFlows(database) }),
  removeFlow: ({ database, actor }, input) => removeFlow(database, { ...input, actor }),
  listProblems: ({ database }, query) => listProblems(database, query),
  listProblemGroups: ({ database }, query) => listProblemGroups(database, query),
  getProblem: async ({ database, redaction }, { fingerprint }) =>
    there(await findProblemDetail(database, fingerprint, redaction), `there is no problem ${fingerprint}`),
  listProblemRuns: ({ database }, query) => listProblemRuns(database, query),
  changeProblem: ({ database, actor }, { fingerprint, ...change }) =>
    changeProblem(database, { fingerprint, change, actor }),
  planBulkAct: ({ database, actor, code }, body) => planBulk(database, body, { actor, code }),
  listBulkActs: ({ database }, query) => listBulkActs(database, query),
  getBulkAct: async ({ database }, { id, ...query }) =>
    there(await findBulkDetail(database, id, query), `there is no bulk act ${id}`),
  startBulkAct: (call, input) => bulk(call, input, 'start'),
  pauseBulkAct: (call, input) => bulk(call, input, 'pause'),
  resumeBulkAct: (call, input) => bulk(call, input, 'resume'),
  cancelBulkAct: (call, input) => bulk(call, input, 'cancel'),
  readOutbox: ({ database, redaction }, query) => readOutbox(database, query, redaction),
  async getRejected({ database, redaction }, { id }) {
    const row = await findRejected(database, id)
    if (!row) throw missingRejected(id)
    return { ...row, data: shownText(redaction, row.type, row.data) }
  },
  retryRejected: ({ database, actor, redaction }, { id, data, reason = null }) =>
    actOnRejected(database, redaction, { verb: 'retry', id, data, actor, reason }),
  discardRejected: ({ database, actor, redaction }, { id, reason }) =>
    actOnRejected(database, redaction, { verb: 'discard', id, actor, reason }),
  retryManyRejected: ({ database, actor }, body) => retryManyRejected(database, body, actor),
  readTransport: ({ database, transport }) => readTransport(database, transport),
  removeQueue: ({ database, actor, transport }, input) =>
    removeQueue(database, transport, { ...input, actor }),
  listExpectations: async ({ database }) => ({ items: await listExpectations(database) }),
  listAwaited: ({ database }, { name, ...query }) => listAwaited(database, name, query),
  cancelAwaited: ({ database, actor }, input) => cancelExpected(database, { ...input, actor }),
  listAlertChannels: async ({ database }) => ({ items: await listAlertChannels(database) }),
  listAlertDeliveries: ({ database }, query) => listAlertDeliveries(database, query),
  testAlertChannel: ({ database, actor }, { name, reason = null }) =>
    testAlertChannel(database, { name, actor, reason }),
  listWorkers: async ({ database }) => ({ items: await listWorkers(database) }),
  stats: ({ database }, query) => readStats(database, query),
  async listAudit({ database, redaction, caller }, query) {
    const { items, next } = await listAudit(database, query)
    const shown = items.map((entry) => auditFor(caller, { ...entry, ...shownAudit(entry, redaction) }))
    return { items: shown, next }
  },
  verifyAudit: ({ database }, query) => verifyAudit(database, query),
  ...accessHandlers,
}

function replay(
  { database, actor }: Call,
  { id, reason = null }: { readonly id: number; readonly reason?: string | null | undefined },
  verb: ReplayAct['verb'],
) {
  return actOnReplay(database, { id, verb, actor, reason })
}

function bulk(
  { database, actor }: Call,
  { id, reason = null }: { readonly id: number; readonly reason?: string | null | undefined },
  verb: ActOnBulk['verb'],
) {
  return actOnBulk(database, { id, verb, actor, reason })
}

function there<T>(thing: T | undefined, missing: string): T {
  if (thing === undefined) throw new BusbarError('request.not-found', missing)
  return thing
}

function pause(
  { database, actor }: Call,
  { name, reason }: { readonly name: string; readonly reason?: string | undefined },
  what: { readonly kind: 'system' | 'group'; readonly paused: boolean },
): ReturnType<Handlers['pauseGroup']> {
  return changePause(database, { ...what, name, actor, reason: reason ?? null })
}

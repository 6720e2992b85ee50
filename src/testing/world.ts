import { strict as assert } from 'node:assert'
import { defineConfig } from '../define/config.ts'
import type { Config } from '../define/config.ts'
import { durationMs } from '../define/duration.ts'
import type { Duration } from '../define/duration.ts'
import type { EventContract } from '../define/event.ts'
import { idReference, linkText } from '../define/link.ts'
import type { SystemName } from '../define/link.ts'
import type { Expectation } from '../define/expectation.ts'
import type { Flow } from '../define/flow.ts'
import type { System } from '../define/system.ts'
import { ExpectationWatch, expectationRegistrations } from '../engine/expectations.ts'
import { Worker } from '../engine/worker.ts'
import { BusbarError } from '../errors.ts'
import type { Published, PublishOptions } from '../ingress/publish.ts'
import { publishEvent } from '../ingress/publish.ts'
import { migrate } from '../journal/migrate.ts'
import type { Appended, NewEvent, RunStateName } from '../journal/port.ts'
import { runState } from '../journal/port.ts'
import type { SqlJournal } from '../journal/sql-journal.ts'
import { sqlJournal } from '../journal/sql-journal.ts'
import type { Stub, StubCall } from './stub.ts'
import { RunningStub } from './stub.ts'
import type { WorldExpected, WorldProblem } from './world-records.ts'
import { expectedOf, problemsOf } from './world-records.ts'
import { VirtualClock } from './virtual-clock.ts'
import type { VirtualDatabase } from './virtual-database.ts'
import type { WorldReplay, WorldSelection } from './world-replay.ts'
import { endOfReplay, startReplay } from './world-replay.ts'
import { openVirtualDatabase } from './virtual-database.ts'

/** What a world is made of. */
export interface WorldOptions {
  readonly flows: readonly Flow[]
  /** How systems behave. One that is not named answers every request that changes something with 200, and GET with 404. */
  readonly systems?: readonly Stub[]
  /** Events that must follow others, from `expectEvent`. Default: none. */
  readonly expectations?: readonly Expectation[]
  /** Virtual time at the start; default 2030-01-01T00:00:00Z. */
  readonly startedAt?: Date
}

/** A run as a test sees it. */
export interface WorldRun {
  readonly flow: string
  readonly seq: number
  readonly key: string | null
  readonly state: RunStateName
  /** Counted tries. */
  readonly tries: number
  readonly code: string | null
  readonly message: string | null
  /** Why it waits, was skipped, or was superseded. */
  readonly reason: string | null
}

/** A cross-reference as a test sees it. */
export interface WorldLink {
  readonly kind: string
  readonly id: string
  readonly system: string
  readonly external: string
}

/** What a person does to one step. */
export type WorldStepAct = { readonly flow: string; readonly seq: number; readonly step: string } & (
  | { readonly act: 'edit' | 'result'; readonly data: unknown }
  | { readonly act: 'skip' | 'approve' | 'refuse'; readonly data?: undefined }
)

/** busbar in memory, in virtual time, with stub systems. `await using` stops it, as `stop` does. */
export interface World extends AsyncDisposable {
  /** As `hub.publish`. */
  publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options?: PublishOptions,
  ): Promise<Published>
  /** Lets virtual time pass until nothing is left to do: every run has ended, is parked, or waits behind a parked one or a pause. Fails after 30 virtual days. */
  untilIdle(): Promise<void>
  /** Lets this much virtual time pass. */
  advance(duration: Duration): Promise<void>
  /** What a system got, in order. */
  calls(system: { readonly name: string }): readonly StubCall[]
  /** All runs that have a row, in log order. */
  runs(): Promise<readonly WorldRun[]>
  /** How many runs are in which state: `{ succeeded: 2, parked: 1 }`. */
  states(): Promise<Partial<Record<RunStateName, number>>>
  /** What is awaited, has come late, or was cancelled, by the events that opened it, in log order; what came in time leaves nothing. */
  expectations(): Promise<readonly WorldExpected[]>
  /** All problems, resolved ones too, first seen first. */
  problems(): Promise<readonly WorldProblem[]>
  /** As a person would: retries or skips a run. Rejects with `act.refused`. */
  act(
    verb: 'retry' | 'skip' | 'compensate',
    run: { readonly flow: string; readonly seq: number },
  ): Promise<void>
  /** As a person would: edits a step's data, gives its result, leaves it out, approves or refuses it. Rejects with `act.refused`. */
  actOnStep(act: WorldStepAct): Promise<void>
  /** As a person would: says which id an object has in a system. Rejects with `link.conflict` when it has another, or the id belongs to another object. */
  link(kind: string, id: string, system: SystemName, external: string): Promise<void>
  /** All cross-references, by kind, id and system. */
  links(): Promise<readonly WorldLink[]>
  /**
   * As a person would: runs events of a flow's past once more, in stages of 1, 10, 100 and the rest, and lets virtual time
   * pass until that is through or has stopped for its errors. Rejects with `request.invalid` when there are no such events.
   */
  replay(
    flow: { readonly name: string },
    selection: WorldSelection,
    options: { readonly keys: 'same' | 'new' },
  ): Promise<WorldReplay>
  /** As a person would: pauses or resumes a system. */
  pause(system: { readonly name: string }, paused?: boolean): Promise<void>
  /** Virtual time. */
  readonly now: Date
  /** Ends everything. Safe to call twice. */
  stop(): Promise<void>
}

/**
 * Starts a world for tests of flows: the real engine and journal, in memory and in virtual time, so that an hour of
 * waiting between tries passes at once. Steps must not wait by real timers. Needs the package `@electric-sql/pglite`.
 *
 * @example
 * await using world = await startWorld({ flows: [bookSale], systems: [stub(erp, { failFirst: 1 })] })
 * await world.publish(orderPlaced, { number: 'SO-1' })
 * await world.untilIdle()
 * assert.deepEqual(await world.states(), { succeeded: 1 })
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const startedAt = (options.startedAt ?? new Date('2030-01-01T00:00:00Z')).getTime()
  const clock = new VirtualClock(startedAt)
  const database = await openVirtualDatabase(startedAt)
  await migrate(database, 'busbar')
  const world = new RunningWorld({ options, clock, database })
  await world.start()
  return world
}

/** Longer than any test: one worker, whose lease never runs out. */
const leaseMs = 365 * 86_400_000
const maxIdleMs = 30 * 86_400_000
const maxRealMs = 60_000

class RunningWorld implements World {
  readonly #config: Config
  readonly #clock: VirtualClock
  readonly #database: VirtualDatabase
  readonly #journal: SqlJournal
  readonly #expectations: readonly Expectation[]
  readonly #watch: ExpectationWatch
  readonly #stubs = new Map<string, RunningStub>()
  readonly #worker: Worker
  readonly #errors: unknown[] = []
  #stopped: Promise<void> | undefined

  constructor(parts: { options: WorldOptions; clock: VirtualClock; database: VirtualDatabase }) {
    const { options, clock, database } = parts
    this.#clock = clock
    this.#database = database
    this.#journal = sqlJournal(database)
    const flows = this.#stubbed(options)
    this.#expectations = (options.expectations ?? []).map((each) => ({ ...each, start: 'beginning' }))
    this.#config = defineConfig({ name: 'world', flows, expectations: this.#expectations })
    const onError = (error: unknown) => this.#errors.push(error)
    this.#watch = new ExpectationWatch({
      expectations: this.#expectations,
      journal: this.#journal,
      clock,
      onError,
    })
    this.#worker = new Worker({
      id: 'world',
      hub: 'world',
      flows,
      journal: this.#journal,
      versions: this.#journal,
      clock,
      random: () => 0.5,
      leaseMs,
      observer: { attempted() {}, became() {} },
      onDead: () => this.#errors.push(new Error('the worker was declared dead')),
      onError,
    })
  }

  /** The flows, each step's system in the hands of its stub. */
  #stubbed({ flows, systems = [] }: WorldOptions): readonly Flow[] {
    const replaced = new Map<System, System>()
    const replacement = (system: System): System => {
      const known = replaced.get(system)
      if (known) return known
      const options = systems.find((each) => each.system === system)?.options ?? {}
      const running = new RunningStub(options, this.#clock)
      this.#stubs.set(system.name, running)
      const { connector } = options
      const made: System = {
        ...system,
        connect: (how) => connector ?? system.connect({ ...how, transport: running.transport }),
      }
      replaced.set(system, made)
      return made
    }
    return flows.map((flow) => ({
      ...flow,
      start: 'beginning',
      steps: flow.steps.map((step) =>
        step.kind === 'call' ? { ...step, system: replacement(step.system) } : step,
      ),
    }))
  }

  async start(): Promise<void> {
    await this.#worker.start()
    await this.#journal.registerExpectations(expectationRegistrations(this.#expectations))
    this.#watch.start()
    await this.#settle()
  }

  get now(): Date {
    return new Date(this.#clock.now())
  }

  async publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options: PublishOptions = {},
  ): Promise<Published> {
    const published = await publishEvent(
      { contract, data, options },
      { config: this.#config, append: (event) => this.#append(event) },
    )
    await this.#settle()
    return published
  }

  async #append(event: NewEvent): Promise<Appended> {
    const { results } = await this.#journal.append([event])
    return results[0] as Appended
  }

  calls(system: { readonly name: string }): readonly StubCall[] {
    return this.#stubs.get(system.name)?.calls ?? []
  }

  async runs(): Promise<readonly WorldRun[]> {
    const words = Object.fromEntries(Object.entries(runState).map(([word, code]) => [code, word]))
    const rows = await this.#database.query<Omit<WorldRun, 'state'> & { state: number }>({
      text: `SELECT f.name AS flow, r.seq, e.key, r.state, r.tries, r.code, r.message, r.reason
             FROM runs r JOIN flows f ON f.id = r.flow JOIN events e ON e.seq = r.seq ORDER BY r.seq, f.ord`,
    })
    return rows.map((row) => ({ ...row, state: words[row.state] as RunStateName }))
  }

  async states(): Promise<Partial<Record<RunStateName, number>>> {
    const counts: Partial<Record<RunStateName, number>> = {}
    for (const { state } of await this.runs()) counts[state] = (counts[state] ?? 0) + 1
    return counts
  }

  async expectations(): Promise<readonly WorldExpected[]> {
    await this.#watch.look()
    return expectedOf(this.#database)
  }

  async problems(): Promise<readonly WorldProblem[]> {
    await this.#watch.look()
    return problemsOf(this.#database)
  }

  async actOnStep({ act, flow, seq, step, data }: WorldStepAct): Promise<void> {
    const given = act === 'approve' ? { by: 'test', at: this.now.toISOString() } : data
    const [row] = await this.#database.query<{ result: string }>({
      text: `SELECT act_on_step(f.id, $2::bigint, 0::smallint, $3, $4, $5, 'test', 'test') AS result FROM flows f WHERE f.name = $1`,
      values: [flow, seq, step, act, given === undefined ? null : JSON.stringify(given)],
    })
    if (row?.result !== 'done')
      throw new BusbarError(
        'act.refused',
        `${act} of step ${step} of run ${flow}/${seq} does not fit: ${row?.result ?? 'absent'}`,
      )
    await this.#settle()
  }

  async act(
    verb: 'retry' | 'skip' | 'compensate',
    run: { readonly flow: string; readonly seq: number },
  ): Promise<void> {
    const [row] = await this.#database.query<{ result: string }>({
      text: `SELECT a.result FROM flows f CROSS JOIN LATERAL act_on_run(f.id, $2::bigint, 0::smallint, $3, 'test', 'test') a WHERE f.name = $1`,
      values: [run.flow, run.seq, verb],
    })
    if (row?.result !== 'done')
      throw new BusbarError(
        'act.refused',
        `run ${run.flow}/${run.seq} cannot be ${{ retry: 'retried', skip: 'skipped', compensate: 'compensated' }[verb]}: ${row?.result ?? 'absent'}`,
      )
    await this.#settle()
  }

  async link(kind: string, id: string, system: SystemName, external: string): Promise<void> {
    const name = idReference(kind, id, system)
    const [row] = await this.#database.query<{ result: string }>({
      text: `SELECT result FROM set_link($1, $2, $3, $4, false, 'test', 'test')`,
      values: [name.kind, name.id, name.system, linkText('external id', external)],
    })
    if (row?.result === 'held' || row?.result === 'taken')
      throw new BusbarError(
        'link.conflict',
        row.result === 'held'
          ? `${kind} ${id} has another id in ${name.system}`
          : `the id ${external} in ${name.system} belongs to another ${kind}`,
      )
    await this.#settle()
  }

  links(): Promise<readonly WorldLink[]> {
    return this.#database.query<WorldLink>({
      text: `SELECT kind, id, system, external_id AS external FROM cross_references ORDER BY kind, id, system`,
    })
  }

  async replay(
    { name }: { readonly name: string },
    selection: WorldSelection,
    { keys }: { readonly keys: 'same' | 'new' },
  ): Promise<WorldReplay> {
    const id = await startReplay(this.#database, { flow: name, selection, keys })
    const deadline = this.#clock.now() + maxIdleMs
    const realDeadline = performance.now() + maxRealMs
    for (;;) {
      await this.#settle()
      const end = await endOfReplay(this.#database, id)
      if (end) return end
      if (this.#clock.now() > deadline || performance.now() > realDeadline) await this.#fail()
      await this.#moveTo(this.#clock.nextAt ?? this.#clock.now() + 1)
    }
  }

  async pause({ name }: { readonly name: string }, paused = true): Promise<void> {
    await this.#database.query({
      text: `SELECT set_paused('system', $1, $2, 'test', 'test')`,
      values: [name, paused],
    })
    await this.advance('2s') // the worker looks once a second
  }

  async advance(duration: Duration): Promise<void> {
    const end = this.#clock.now() + durationMs(duration)
    await this.#settle()
    while (this.#clock.now() < end) {
      const left = await this.#left()
      await this.#moveTo(Math.min(end, isIdle(left) ? end : this.#next(left)))
    }
  }

  async untilIdle(): Promise<void> {
    const deadline = this.#clock.now() + maxIdleMs
    const realDeadline = performance.now() + maxRealMs
    await this.#settle()
    for (;;) {
      const left = await this.#left()
      if (isIdle(left)) return
      if (this.#clock.now() > deadline || performance.now() > realDeadline) await this.#fail()
      await this.#moveTo(this.#next(left))
    }
  }

  /** Straight to the next due lane when nothing else is going on; else from timer to timer. */
  #next(left: Left): number {
    const underWay = [...this.#stubs.values()].some((running) => running.underWay > 0)
    const timer = this.#clock.nextAt ?? this.#clock.now() + 1
    if (left.pending || left.active || underWay || left.nextAt === null) return timer
    return Math.max(left.nextAt, timer)
  }

  /** What is still to be done: events not reached, runs running, lanes that are due or will be. What a pause holds is not. */
  async #left(): Promise<Left> {
    const [row] = await this.#database.query<{ pending: boolean; active: boolean; next_at: number | null }>({
      text: `SELECT
        EXISTS (SELECT FROM flows f JOIN events e ON e.type = ANY (f.types)
                WHERE NOT EXISTS (SELECT FROM runs r WHERE r.flow = f.id AND r.seq = e.seq)
                  AND NOT EXISTS (SELECT FROM systems s WHERE s.paused AND s.name = f.declaration #>> '{steps,0,system}')) AS pending,
        EXISTS (SELECT FROM runs WHERE state = 3) OR EXISTS (SELECT FROM link_waits w JOIN lanes l ON l.grp = w.grp AND l.key = w.key WHERE w.due)
          OR EXISTS (SELECT FROM flows f JOIN positions p ON p.flow = f.id JOIN events e ON e.seq > p.position
                     WHERE f.declaration -> 'signals' ? e.type) AS active,
        (SELECT (extract(epoch FROM min(l.next_at)) * 1000)::float8 FROM lanes l
         WHERE l.next_at < 'infinity' AND NOT EXISTS (SELECT FROM systems s WHERE s.id = l.system AND s.paused)) AS next_at`,
    })
    return { pending: row?.pending ?? false, active: row?.active ?? false, nextAt: row?.next_at ?? null }
  }

  async #moveTo(at: number): Promise<void> {
    await this.#database.setTime(Math.max(at, this.#clock.now()))
    this.#clock.moveTo(at)
    await this.#settle()
  }

  /** Until the engine waits for nothing but time: several turns of the event loop without a query. */
  async #settle(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      await new Promise((resolve) => setImmediate(resolve))
      quiet = this.#database.busy ? 0 : quiet + 1
    }
  }

  async #fail(): Promise<never> {
    const open = (await this.runs()).filter(({ state }) => runState[state] < 10)
    return assert.fail(
      `the world does not come to rest; open runs: ${JSON.stringify(open.slice(0, 10))}; errors: ${this.#errors.slice(-3).map(String).join('; ')}`,
    )
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    await this.#watch.stop()
    await this.#worker.abandon()
    await this.#settle()
    await this.#database.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** What is still to be done in a world. */
interface Left {
  readonly pending: boolean
  readonly active: boolean
  readonly nextAt: number | null
}

function isIdle({ pending, active, nextAt }: Left): boolean {
  return !pending && !active && nextAt === null
}

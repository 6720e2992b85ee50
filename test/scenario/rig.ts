/** A workbench for engine scenarios: real PostgreSQL in a schema of its own, real workers, systems whose answers the test decides. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { z } from 'zod'
import { defineEvent } from '../../src/define/event.ts'
import type { FlowOptions } from '../../src/define/flow.ts'
import type { StepOptions } from '../../src/define/step.ts'
import { defineFlow } from '../../src/define/flow.ts'
import type { Flow } from '../../src/define/flow.ts'
import type { AttemptContext, System, SystemOptions } from '../../src/define/system.ts'
import { defineSystem } from '../../src/define/system.ts'
import { systemClock } from '../../src/engine/clock.ts'
import type { TransportConnection } from '../../src/define/transport.ts'
import { Worker } from '../../src/engine/worker.ts'
import type { BusEvent } from '../../src/define/event.ts'
import { hashKey } from '../../src/journal/hash-key.ts'
import type { Journal, NewEvent } from '../../src/journal/port.ts'
import { openJournal } from '../../src/journal/sql-journal.ts'

export const databaseUrl =
  process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'

export const Order = z.object({ number: z.string(), revision: z.number() })
export type OrderData = z.infer<typeof Order>
export const orderPlaced = defineEvent({ type: 'order.placed', schema: Order, key: (order) => order.number })
export const orderChanged = defineEvent({
  type: 'order.changed',
  schema: Order,
  key: (order) => order.number,
})

/** One request that reached a stub system. */
export interface Arrival {
  readonly system: string
  readonly kind: 'send' | 'find' | 'verify'
  readonly order: OrderData
  readonly key: string
  readonly at: number
  readonly worker: string
}

/** What a stub answers: return for success, throw for failure, wait as long as it likes. */
export type Answer = (arrival: Arrival, context: AttemptContext) => unknown

export interface StubCall {
  send(order: OrderData): Promise<unknown>
  find(order: OrderData): Promise<unknown>
  verify(order: OrderData): Promise<unknown>
}

/** A system inside the test: records what arrives, and answers as it is told. */
export class StubSystem {
  readonly arrivals: Arrival[] = []
  readonly applied = new Map<string, Arrival>()
  answer: Answer = () => undefined
  /** What a test call comes to. */
  check: () => unknown = () => undefined
  inFlight = 0
  mostInFlight = 0
  readonly system: System<StubCall>

  constructor(options: SystemOptions) {
    this.system = defineSystem<StubCall>({
      ...options,
      connect: () => ({
        open: (context) => this.#call(context),
        check: async (context) => {
          await context.beforeRequest()
          await this.check()
        },
        close: async () => {},
      }),
    })
  }

  #call(context: AttemptContext): StubCall {
    const ask = (kind: Arrival['kind']) => async (order: OrderData) => {
      await context.beforeRequest()
      context.sent()
      const arrival = {
        system: this.system.name,
        kind,
        order,
        key: context.idempotencyKey,
        at: performance.now(),
        worker: '',
      }
      this.arrivals.push(arrival)
      this.inFlight++
      this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
      try {
        const result = await this.answer(arrival, context)
        if (kind === 'send') this.applied.set(context.idempotencyKey, arrival)
        return result
      } finally {
        this.inFlight--
      }
    }
    return { send: ask('send'), find: ask('find'), verify: ask('verify') }
  }

  /** `A1 A2 B1`: the sends in order of arrival. */
  get sends(): string[] {
    return this.arrivals
      .filter(({ kind }) => kind === 'send')
      .map(({ order }) => `${order.number}${order.revision}`)
  }
}

export interface StartOptions {
  readonly leaseMs?: number
  readonly id?: string
  /** Carries the events; without it the worker reads the log. */
  readonly transport?: Pick<TransportConnection, 'carry'>
  /** Payload that all its groups may hold. */
  readonly maxBytes?: number
  /** Stands between the worker and its journal: waited for at each call, by name; what it throws the call rejects with. */
  readonly fault?: (call: keyof Journal) => void | Promise<void>
}

export interface Rig {
  readonly journal: Journal
  readonly schema: string
  readonly errors: unknown[]
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  startWorker(flows: readonly Flow[], options?: StartOptions): Promise<RigWorker>
  publish(...orders: readonly (OrderData & { type?: string })[]): Promise<readonly number[]>
  /** Resolves when the condition holds; rejects with its last value after `ms`. */
  until(condition: () => unknown, ms?: number): Promise<void>
  close(): Promise<void>
}

export interface RigWorker {
  readonly worker: Worker
  readonly id: string
  dead: boolean
  stop(): Promise<void>
  /** As if the process had been killed: nothing is handed over. */
  kill(): Promise<void>
}

export function flowOn(
  stub: StubSystem,
  options: FlowOptions<OrderData> & {
    name?: string
    step?: Partial<StepOptions<BusEvent<string, OrderData>, StubCall, unknown>>
  } = {},
): Flow {
  const { name = stub.system.name, step, ...rest } = options
  return defineFlow(name, { start: 'beginning', ...rest })
    .on(orderPlaced, orderChanged)
    .step('send', stub.system, { run: ({ event, call }) => call.send(event.data), ...(step as object) })
}

export async function openRig(): Promise<Rig> {
  const schema = `test_${randomBytes(6).toString('hex')}`
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, options: `-c search_path=${schema}` })
  const open = (worker: string) =>
    openJournal({ url: databaseUrl, schema, worker, maxConnections: 5, migrate: true })
  const journal = await open('rig')
  const errors: unknown[] = []
  const workers = new Set<RigWorker & { journal: Journal }>()
  let count = 0

  const rig: Rig = {
    journal,
    schema,
    errors,
    sql: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await pool.query<Row>(text, values)).rows,
    async startWorker(flows, options = {}) {
      const id = options.id ?? `${schema}-w${++count}`
      const own = await open(id)
      const entry: RigWorker & { journal: Journal } = {
        id,
        journal: own,
        dead: false,
        worker: new Worker({
          id,
          hub: 'test',
          flows,
          journal: faulty(own, options.fault),
          versions: own,
          watch: own,
          ...(options.transport && { transport: options.transport }),
          ...(options.maxBytes !== undefined && { maxBytes: options.maxBytes }),
          clock: systemClock,
          random: Math.random,
          observer: { attempted() {}, became() {} },
          leaseMs: options.leaseMs ?? 6_000,
          onDead: () => (entry.dead = true),
          onError: (error) => errors.push(error),
        }),
        async stop() {
          await entry.worker.stop(5_000)
          await own.close()
          workers.delete(entry)
        },
        async kill() {
          await entry.worker.abandon()
          await own.close()
          workers.delete(entry)
        },
      }
      workers.add(entry)
      await entry.worker.start()
      return entry
    },
    async publish(...orders) {
      const result = await journal.append(orders.map(newEvent))
      return result.results.map(({ seq }) => seq)
    },
    async until(condition, ms = 10_000) {
      const deadline = performance.now() + ms
      for (;;) {
        const value = await condition()
        if (value) return
        if (performance.now() > deadline)
          throw new Error(
            `condition not met within ${ms} ms: ${condition.toString()}; errors: ${errors.slice(-3).join('; ')}`,
          )
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    async close() {
      for (const worker of [...workers]) await worker.stop()
      await journal.close()
      await pool.query(`DROP SCHEMA ${schema} CASCADE`)
      await pool.end()
    },
  }
  return rig
}

/** A journal some of whose calls fail before they have reached it, or take long to. */
function faulty(journal: Journal, fault: StartOptions['fault']): Journal {
  if (!fault) return journal
  return new Proxy(journal, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        await fault(name as keyof Journal)
        return (await Reflect.apply(value, target, args)) as unknown
      }
    },
  })
}

export function newEvent(order: OrderData & { type?: string; id?: string }): NewEvent {
  const { type = 'order.placed', number, revision } = order
  return {
    source: 'urn:test:shop',
    id: order.id ?? `${number}-${revision}`,
    type,
    key: number,
    khash: hashKey(number),
    data: JSON.stringify({ number, revision }),
    ext: '{}',
  }
}

/** Orders number × revision, revisions in order: A1 B1 A2 B2 … */
export function orders(numbers: readonly string[], revisions: number): OrderData[] {
  return Array.from({ length: revisions }, (_, index) =>
    numbers.map((number) => ({ number, revision: index + 1 })),
  ).flat()
}

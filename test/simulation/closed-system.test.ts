import { expect, it } from 'vitest'
import { defineFlow } from '../../src/define/flow.ts'
import { defineSystem } from '../../src/define/system.ts'
import type { System } from '../../src/define/system.ts'
import { Worker } from '../../src/engine/worker.ts'
import { CallError } from '../../src/errors.ts'
import type { Journal } from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import { placed } from './contracts.ts'
import { Dice } from './dice.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStore } from './memory-store.ts'
import { VirtualClock } from './virtual-clock.ts'

const failures = {
  fails: { class: 'transient', status: 500 },
  down: { class: 'unavailable' },
  /** Not the system's fault: its breaker stays closed. */
  'too early': { class: 'dependency', status: 422 },
} as const
type Answer = 'ok' | keyof typeof failures | { readonly pauseMs: number }

/**
 * One worker with a flow to each of these systems, in one lane group, over a journal whose answers take some milliseconds. A call
 * takes 5 ms and comes to what the test says.
 */
class World {
  readonly clock = new VirtualClock()
  readonly store = new MemoryStore()
  /** Of the nth call of a system. */
  answer: (nth: number, system: string) => Answer = () => 'ok'
  readonly calls: Record<string, number> = {}
  /** Runs that were taken from rows. */
  claimed = 0
  /** Rows of runs that were put back, to wait for their system. */
  putBack = 0
  /** How long the journal takes for an answer. */
  journalMs = 3
  readonly #systems: readonly string[]

  constructor(...systems: string[]) {
    this.#systems = systems
    for (const name of systems) this.calls[name] = 0
  }

  async start(): Promise<void> {
    const worker = new Worker({
      id: 'w1',
      hub: 'closed',
      flows: this.#systems.map((name) =>
        defineFlow(`to-${name}`, { start: 'beginning', lane: 'one', ordering: 'none' })
          .on(placed)
          .step('send', this.#system(name), {
            retry: { first: '2s', cap: '2s', factor: 1, attempts: 100 },
            run: ({ call }) => call.send(),
          }),
      ),
      journal: this.#journal(),
      clock: this.clock,
      random: new Dice('closed').next,
      observer: { attempted: () => undefined, became: () => undefined },
      onDead: () => undefined,
      onError: (error) => {
        throw error
      },
    })
    void worker.start()
    await this.pass(5_000)
  }

  #system(name: string): System<{ send: () => Promise<void> }> {
    return defineSystem({
      name,
      limits: { concurrency: 8 },
      breaker: { probeDelay: 200, maxProbeDelay: 1_000 },
      connect: () => ({
        open: (context) => ({
          send: async () => {
            await context.beforeRequest()
            context.sent()
            await this.#waits(5)
            this.#respond(this.answer((this.calls[name] = (this.calls[name] ?? 0) + 1), name))
          },
        }),
        close: async () => undefined,
      }),
    })
  }

  #waits(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve()
    return new Promise((resolve) => this.clock.timer(ms, resolve))
  }

  #respond(answer: Answer): void {
    if (answer === 'ok') return
    throw new CallError(
      typeof answer === 'string'
        ? { ...failures[answer], message: answer }
        : { class: 'throttled', message: 'slow down', status: 429, retryAfterMs: answer.pauseMs },
    )
  }

  #journal(): Journal {
    const inner = new MemoryJournal(this.store, this.clock, 'w1')
    const watched: Partial<Journal> = {
      due: async (query) => {
        await this.#waits(this.journalMs)
        return inner.due(query)
      },
      claim: async (claim) => {
        const runs = await inner.claim(claim)
        if (runs !== 'lost') this.claimed += runs.length
        await this.#waits(this.journalMs)
        return runs
      },
      flush: async (flush) => {
        this.putBack += flush.runs.filter(({ reason }) => reason?.startsWith('waits for ')).length
        const result = await inner.flush(flush)
        await this.#waits(this.journalMs)
        return result
      },
    }
    return new Proxy(inner, {
      get: (journal, name): unknown =>
        Reflect.get(watched, name) ?? (Reflect.get(journal, name) as () => unknown).bind(journal),
    })
  }

  async publish(keys: number, perKey: number): Promise<void> {
    const journal = new MemoryJournal(this.store, this.clock, 'door')
    for (let revision = 1; revision <= perKey; revision++)
      await journal.append(
        Array.from({ length: keys }, (_, key) => ({
          ...{ source: 'urn:closed', id: `${key}-${revision}`, type: 'order.placed', ext: '{}' },
          ...{ key: `K${key}`, khash: key },
          data: JSON.stringify({ number: `K${key}`, revision, place: null, poison: false }),
        })),
      )
  }

  in(state: number): number {
    return [...this.store.runs()].filter((run) => run.state === state).length
  }

  async pass(ms: number, until = () => false): Promise<void> {
    await this.clock.run({ until, maxMs: ms })
  }
}

const keys = 100
const perKey = 20
const events = keys * perKey
const { succeeded, running } = runState

it('what waits in memory stays there while its system asks for short pauses again and again', async () => {
  const world = new World('erp')
  // All fail once, so that they have rows; then every fortieth call asks for a second.
  world.answer = (nth) => (nth <= keys ? 'fails' : nth % 40 === 0 ? { pauseMs: 1_000 } : 'ok')
  await world.start()
  await world.publish(keys, perKey)
  await world.pass(600_000, () => world.in(succeeded) === events)
  expect(world.in(succeeded)).toBe(events)
  expect(world.calls['erp']).toBeGreaterThan(events + 50)
  expect(world.claimed).toBeLessThan(1.5 * events)
  expect(world.putBack).toBeLessThan((world.calls['erp'] ?? 0) / 40)
})

it('what waits for a system that stays closed is in rows that say so, and one run at a time shows whether it is back', async () => {
  const world = new World('erp')
  let away = true
  world.answer = (nth) => (nth <= keys || away ? 'fails' : 'ok')
  await world.start()
  await world.publish(keys, perKey)
  await world.pass(30_000)
  expect(world.in(running)).toBeLessThanOrEqual(1)
  const { claimed, calls } = world
  const before = calls['erp'] ?? 0
  await world.pass(60_000)
  const probes = (world.calls['erp'] ?? 0) - before
  expect(probes).toBeGreaterThan(40)
  expect(world.claimed - claimed).toBeLessThan(2 * probes)
  away = false
  await world.pass(600_000, () => world.in(succeeded) === events)
  expect(world.in(succeeded)).toBe(events)
})

it('a system that is back is called soon, however many runs of another one in its lane group are due at any time', async () => {
  const world = new World('busy', 'back')
  let away = true
  world.answer = (_, system) => (system === 'busy' ? 'too early' : away ? 'down' : 'ok')
  await world.start()
  await world.publish(3_000, 1)
  await world.pass(6_000)
  const { calls } = world
  const before = calls['back'] ?? 0
  away = false
  await world.pass(5_000, () => (calls['back'] ?? 0) > before + 1)
  expect(calls['back']).toBeGreaterThan(before + 1)
})

it('no more is taken from rows than fits, however much is due and however often its system asks for a pause', async () => {
  const world = new World('erp')
  const many = 12_000
  world.journalMs = 0
  world.answer = (nth) => (nth <= many ? 'too early' : nth % 400 === 0 ? { pauseMs: 1_000 } : 'ok')
  await world.start()
  await world.publish(many, 1)
  let most = 0
  for (let second = 0; second < 30; second++) {
    await world.pass(1_000)
    most = Math.max(most, world.in(running))
  }
  expect(most).toBeGreaterThan(500)
  expect(most).toBeLessThan(1_500)
})

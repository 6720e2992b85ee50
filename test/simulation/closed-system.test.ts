import { expect, it } from 'vitest'
import { defineFlow } from '../../src/define/flow.ts'
import { defineSystem } from '../../src/define/system.ts'
import { Worker } from '../../src/engine/worker.ts'
import { CallError } from '../../src/errors.ts'
import type { Journal } from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import { placed } from './contracts.ts'
import { Dice } from './dice.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStore } from './memory-store.ts'
import { VirtualClock } from './virtual-clock.ts'

const keys = 100
const perKey = 20
const events = keys * perKey

type Answer = 'ok' | 'fails' | { readonly pauseMs: number }

/** One worker with one flow to one system, that answers after 5 ms as the test says, and what its owner has asked of the journal. */
class World {
  readonly clock = new VirtualClock()
  readonly store = new MemoryStore()
  /** Of the nth call. */
  answer: (nth: number) => Answer = () => 'ok'
  calls = 0
  /** Runs that were taken from rows. */
  claimed = 0
  /** Rows of runs that were put back, to wait for the system. */
  putBack = 0

  async start(): Promise<void> {
    const system = defineSystem<{ send: () => Promise<void> }>({
      name: 'erp',
      limits: { concurrency: 8 },
      breaker: { probeDelay: 200, maxProbeDelay: 1_000 },
      connect: () => ({
        open: (context) => ({
          send: async () => {
            await context.beforeRequest()
            context.sent()
            await new Promise<void>((resolve) => this.clock.timer(5, resolve))
            this.#respond(this.answer(++this.calls))
          },
        }),
        close: async () => undefined,
      }),
    })
    const flow = defineFlow('to-erp', { start: 'beginning' })
      .on(placed)
      .step('send', system, {
        retry: { first: '2s', cap: '2s', factor: 1 },
        run: ({ call }) => call.send(),
      })
    const worker = new Worker({
      id: 'w1',
      hub: 'closed',
      flows: [flow],
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

  #respond(answer: Answer): void {
    if (answer === 'fails') throw new CallError({ class: 'transient', message: 'boom', status: 500 })
    if (answer !== 'ok')
      throw new CallError({
        class: 'throttled',
        message: 'slow down',
        status: 429,
        retryAfterMs: answer.pauseMs,
      })
  }

  #journal(): Journal {
    const inner = new MemoryJournal(this.store, this.clock, 'w1')
    const counted: Partial<Journal> = {
      claim: async (claim) => {
        const runs = await inner.claim(claim)
        if (runs !== 'lost') this.claimed += runs.length
        return runs
      },
      flush: (flush) => {
        this.putBack += flush.runs.filter(({ reason }) => reason === 'waits for erp').length
        return inner.flush(flush)
      },
    }
    return new Proxy(inner, {
      get: (journal, name): unknown =>
        Reflect.get(counted, name) ?? (Reflect.get(journal, name) as () => unknown).bind(journal),
    })
  }

  async publish(): Promise<void> {
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

  get succeeded(): number {
    return [...this.store.runs()].filter(({ state }) => state === runState.succeeded).length
  }

  async pass(ms: number, until = () => false): Promise<void> {
    await this.clock.run({ until, maxMs: ms })
  }
}

it('what waits in memory stays there while its system asks for short pauses again and again', async () => {
  const world = new World()
  // All fail once, so that they have rows; then every fortieth call asks for a second.
  world.answer = (nth) => (nth <= keys ? 'fails' : nth % 40 === 0 ? { pauseMs: 1_000 } : 'ok')
  await world.start()
  await world.publish()
  await world.pass(600_000, () => world.succeeded === events)
  expect(world.succeeded).toBe(events)
  expect(world.calls).toBeGreaterThan(events + 50)
  expect(world.claimed).toBeLessThan(1.5 * events)
  expect(world.putBack).toBeLessThan(world.calls / 40)
})

it('what waits for a system that stays closed is in rows that say so, and one run at a time shows whether it is back', async () => {
  const world = new World()
  let away = true
  world.answer = (nth) => (nth <= keys || away ? 'fails' : 'ok')
  await world.start()
  await world.publish()
  await world.pass(30_000)
  const open = [...world.store.runs()].filter(({ state }) => state < runState.succeeded)
  expect(open.filter(({ state }) => state === runState.running).length).toBeLessThanOrEqual(1)
  const { claimed, calls } = world
  await world.pass(60_000)
  expect(world.calls - calls).toBeGreaterThan(40)
  expect(world.claimed - claimed).toBeLessThan(2 * (world.calls - calls))
  away = false
  await world.pass(600_000, () => world.succeeded === events)
  expect(world.succeeded).toBe(events)
})

import { expect, it } from 'vitest'
import { defineFlow } from '../../src/define/flow.ts'
import type { Clock } from '../../src/engine/clock.ts'
import { Worker } from '../../src/engine/worker.ts'
import { BusbarError } from '../../src/errors.ts'
import type { Journal } from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import { placed } from './contracts.ts'
import { Dice } from './dice.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStore } from './memory-store.ts'
import { SimulatedProcess } from './process.ts'
import { Sink } from './sink.ts'
import { systemPlan } from './system-plan.ts'
import { VirtualClock } from './virtual-clock.ts'

const hour = 3_600_000
const desk = systemPlan('desk', {})

/** A flow that waits for an hour between two calls, its workers, and a database whose clock is the world's. */
class Timers {
  readonly clock = new VirtualClock()
  readonly store = new MemoryStore()
  readonly sink: Sink
  /** By how much the wall clock of the workers' machine is wrong. */
  wallOffMs = 0
  /** No call of the journal gets through. */
  away = false
  #workers = 0

  constructor() {
    const deps = { isDead: () => false, onAnswer: () => undefined, unready: () => [], trace: undefined }
    this.sink = new Sink({ clock: this.clock, dice: new Dice('timers'), ...deps }, undefined)
  }

  async start(): Promise<{ process: SimulatedProcess; worker: Worker }> {
    const process = new SimulatedProcess(`p${++this.#workers}`, this.clock, () => undefined)
    const clock: Clock = { ...process.clock, now: () => this.clock.now() + this.wallOffMs }
    const flow = defineFlow('waits', { start: 'beginning' })
      .on(placed)
      .step('before', this.sink.system(desk, process), {
        run: ({ event, call }) => call.send('waits', event, 'before'),
      })
      .wait('pause', { for: '1h', after: ['before'] })
      .step('behind', this.sink.system(desk, process), {
        after: ['pause'],
        run: ({ event, call }) => call.send('waits', event, 'behind'),
      })
    const worker = new Worker({
      id: process.id,
      hub: 'timers',
      flows: [flow],
      journal: this.#journal(process),
      clock,
      random: new Dice(process.id).next,
      observer: { attempted: () => undefined, became: () => undefined },
      leaseMs: 4_000,
      onDead: () => process.kill(),
      onError: () => undefined,
    })
    void worker.start().catch(() => process.kill())
    await this.pass(5_000)
    return { process, worker }
  }

  #journal(process: SimulatedProcess): Journal {
    const inner = new MemoryJournal(this.store, this.clock, process.id)
    return new Proxy(inner, {
      get: (journal, name) => {
        const method = Reflect.get(journal, name) as (...args: unknown[]) => Promise<unknown>
        return (...args: unknown[]) =>
          new Promise((resolve, reject) => {
            const answer = () =>
              this.away
                ? reject(new BusbarError('journal.unavailable', 'the database is away'))
                : void method.apply(journal, args).then(resolve, reject)
            if (!process.dead) this.clock.timer(1, () => process.deliver(answer))
          })
      },
    })
  }

  async publish(): Promise<void> {
    const journal = new MemoryJournal(this.store, this.clock, 'door')
    const data = JSON.stringify({ number: 'K1', revision: 1, poison: false })
    await journal.append([
      { source: 'urn:timers', id: '1', type: 'order.placed', key: 'K1', khash: 1, data, ext: '{}' },
    ])
  }

  async pass(ms: number): Promise<void> {
    await this.clock.run({ until: () => false, maxMs: ms })
  }

  /** How long the second call came after the first had ended. */
  async waited(): Promise<number> {
    const sent = (step: string) => this.sink.ledger.filter((entry) => entry.step === step)
    await this.clock.run({ until: () => sent('behind').length > 0, maxMs: 3 * hour })
    await this.pass(5_000)
    expect([...this.store.runs()].map(({ state }) => state)).toEqual([runState.succeeded])
    expect(sent('behind')).toHaveLength(1)
    return (sent('behind')[0]?.sentAt ?? NaN) - (sent('before')[0]?.endedAt ?? NaN)
  }
}

const day = 24 * hour

it.each([
  ['set forth by a day', day],
  ['set back by a day', -day],
])('a pause is exact to a second when the wall clock of its worker is %s', async (_, offMs) => {
  const timers = new Timers()
  await timers.start()
  await timers.publish()
  await timers.pass(600_000)
  timers.wallOffMs = offMs
  await timers.pass(600_000)
  timers.wallOffMs = 0
  const waited = await timers.waited()
  expect(waited).toBeGreaterThanOrEqual(hour)
  expect(waited).toBeLessThan(hour + 1_000)
})

it('a pause is exact to a second over restarts and kills, on machines with other clocks', async () => {
  const timers = new Timers()
  const first = await timers.start()
  await timers.publish()
  await timers.pass(60_000)
  timers.wallOffMs = -day
  void first.worker.stop(1_000)
  await timers.pass(30_000)
  const second = await timers.start()
  await timers.pass(60_000)
  second.process.kill()
  timers.wallOffMs = day
  await timers.start()
  const waited = await timers.waited()
  expect(waited).toBeGreaterThanOrEqual(hour)
  expect(waited).toBeLessThan(hour + 1_000)
})

it('a pause does not last longer for a database that was away when it began', async () => {
  const timers = new Timers()
  await timers.start()
  await timers.publish()
  const begun = () => timers.store.steps.get('1/1/0')?.has('before') ?? false
  await timers.clock.run({ until: begun, maxMs: 60_000 })
  timers.away = true
  // Shorter than its lease.
  await timers.pass(2_500)
  timers.away = false
  const waited = await timers.waited()
  expect(waited).toBeGreaterThanOrEqual(hour)
  expect(waited).toBeLessThan(hour + 1_000)
})

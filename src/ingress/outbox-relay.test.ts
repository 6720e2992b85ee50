import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineConfig } from '../define/config.ts'
import { defineEvent } from '../define/event.ts'
import { outboxSettings } from '../define/outbox-config.ts'
import { BusbarError } from '../errors.ts'
import type { AcceptedRow, Outbox, OutboxRow, RejectedRow } from '../journal/port-outbox.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { OutboxRelay } from './outbox-relay.ts'
import type { OutboxMove } from './outbox-relay.ts'

const noted = defineEvent({ type: 'note', schema: z.unknown() })

/** An outbox in memory that records what is asked of it; `refuses` names ids that the database does not take. */
function startRelay(options: { refuses?: readonly number[]; holder?: boolean } = {}) {
  const clock = new VirtualClock(0)
  const calls: string[] = []
  const log: number[] = []
  const aside: RejectedRow[] = []
  let rows: OutboxRow[] = []
  let nextId = 1
  let down = false
  const ask = async (call: string) => {
    calls.push(call)
    if (down) throw new BusbarError('journal.unavailable', 'the database is away')
  }
  const outbox: Outbox = {
    async claim() {
      await ask('claim')
      return rows.length === 0 ? 'empty' : options.holder === false ? 'held' : 'mine'
    },
    release: () => ask('release'),
    async read({ limit }) {
      await ask('read')
      return rows.slice(0, limit)
    },
    async horizon() {
      return { last: nextId - 1, oldest: 1_000, next: 1_000 }
    },
    async move(accepted: readonly AcceptedRow[], rejected: readonly RejectedRow[]) {
      await ask(`move ${accepted.map(({ id }) => id).join(',')}`)
      if (accepted.some(({ id }) => options.refuses?.includes(id)))
        throw new BusbarError('event.invalid', 'the database does not take it')
      const gone = new Set([...accepted, ...rejected].map(({ id }) => id))
      rows = rows.filter(({ id }) => !gone.has(id))
      const prev = log.length
      log.push(...accepted.map(({ id }) => id))
      aside.push(...rejected)
      return { prev, head: log.length, receivedAt: 0, duplicates: [], conflicts: [] }
    },
  }
  const moves: OutboxMove[] = []
  const errors: unknown[] = []
  const relay = new OutboxRelay({
    outbox,
    config: defineConfig({ flows: [], events: [noted] }),
    settings: outboxSettings({ maxBatch: 8 })!,
    relay: 'one',
    clock,
    onAppended: () => undefined,
    observe: (move) => moves.push(move),
    onRejected: () => undefined,
    onError: (error) => errors.push(error),
  })
  relay.start()
  relay.start()
  const settle = async () => {
    for (let turn = 0; turn < 200; turn++) await Promise.resolve()
  }
  return {
    relay,
    calls,
    log,
    aside,
    moves,
    errors,
    add(count: number) {
      for (let index = 0; index < count; index++)
        rows.push({
          id: nextId++,
          source: 'urn:app',
          eventId: `e-${nextId}`,
          type: 'note',
          key: null,
          data: '{}',
          bytes: 2,
          ext: '{}',
        })
    },
    setDown(isDown: boolean) {
      down = isDown
    },
    /** Time passes, a millisecond at a time. */
    async pass(ms: number) {
      for (let index = 0; index < ms; index++) {
        clock.moveTo(clock.now() + 1)
        await settle()
      }
    },
    settle,
    async stop() {
      const stopped = Promise.all([relay.stop(), relay.stop()])
      await settle()
      await stopped
    },
  }
}

it('looks about once a second where nothing comes, and writes nothing', async () => {
  const at = startRelay()
  await at.pass(5_000)
  at.calls.length = 0
  await at.pass(10_000)
  expect(at.calls.length).toBeGreaterThanOrEqual(9)
  expect(at.calls.length).toBeLessThanOrEqual(11)
  expect(new Set(at.calls)).toEqual(new Set(['claim']))
  await at.stop()
  expect(at.calls).not.toContain('release')
})

it('looks at least every 50 ms while rows flow, and at once after a full batch', async () => {
  const at = startRelay()
  at.add(20)
  await at.pass(1_100)
  expect(at.log).toHaveLength(20)
  expect(at.calls.filter((call) => call.startsWith('move'))).toHaveLength(3)
  for (let second = 0; second < 9; second++) {
    await at.pass(950)
    at.add(1)
    await at.pass(52)
    expect(at.log).toHaveLength(21 + second)
  }
  await at.stop()
  expect(at.calls.at(-1)).toBe('release')
})

it('looks at once when this process has published', async () => {
  const at = startRelay()
  await at.pass(5_000)
  at.add(1)
  at.relay.expect()
  await at.settle()
  expect(at.log).toEqual([1])
  await at.stop()
})

it('moves nothing while another relay has the lease', async () => {
  const at = startRelay({ holder: false })
  at.add(3)
  await at.pass(3_000)
  expect(new Set(at.calls)).toEqual(new Set(['claim']))
  await at.stop()
})

it('a row that the database refuses is found by halves, in order, and set aside alone', async () => {
  const at = startRelay({ refuses: [3, 6] })
  at.add(8)
  await at.pass(1_100)
  expect(at.log).toEqual([1, 2, 4, 5, 7, 8])
  expect(at.aside).toMatchObject([
    { id: 3, code: 'event.invalid', message: 'the database does not take it' },
    { id: 6 },
  ])
  expect(at.moves.flatMap(({ rejected }) => rejected)).toEqual(['event.invalid', 'event.invalid'])
  expect(at.errors).toEqual([])
  await at.stop()
})

it('goes on by itself when the database is back, and does not hammer it meanwhile', async () => {
  const at = startRelay()
  at.setDown(true)
  at.add(1)
  await at.pass(10_000)
  expect(at.errors.length).toBeGreaterThan(3)
  expect(at.errors.length).toBeLessThan(12)
  at.setDown(false)
  await at.pass(5_002)
  expect(at.log).toEqual([1])
  await at.stop()
})

import { expect, it } from 'vitest'
import { systemSettings } from '../define/system.ts'
import type { SystemState } from '../journal/port.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { SystemGate } from './gate.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { CallRun } from './run.ts'

const closed: SystemState = {
  id: 1,
  name: 'erp',
  paused: false,
  breaker: 'closed',
  reason: null,
  probeInMs: null,
  throttledMs: 0,
  maintenanceMs: 0,
  test: null,
  version: 1,
}

/** A gate whose news of a trip is answered when the test says so. */
function gateOf(concurrency: number) {
  const clock = new VirtualClock(0)
  const told = Promise.withResolvers<void>()
  const gate = new SystemGate({
    id: 1,
    name: 'erp',
    settings: systemSettings({ name: 'erp', limits: { concurrency }, breaker: { probeDelay: 200 } }),
    worker: 'w1',
    journal: {
      states: async () => [],
      reserveRate: async ({ tokens }) => ({ granted: tokens, retryInMs: 0 }),
      permits: async ({ want }) => ({ granted: want, othersWaiting: 0 }),
      openBreaker: () => told.promise,
      // The journal says that it is closed: there is nothing to try.
      tryProbe: async () => false,
      closeBreaker: async () => undefined,
      throttle: async () => undefined,
    },
    clock,
    onError: (error) => {
      throw error
    },
  })
  return { gate, clock, told }
}

/** A lane group's calls at the gate; `may` says whether the group may start any. */
function clientOf(gate: SystemGate, count: number) {
  const client = { may: true, started: 0 }
  const queue = new ReadyQueue({
    start: () => (client.started++, true),
    mayStart: () => client.may,
    gateChanged: () => undefined,
  })
  for (let number = 0; number < count; number++) queue.push({ place: 'idle' } as CallRun)
  gate.join(queue)
  return client
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

it('begins nothing for a lane group that may begin nothing, although another one goes on', async () => {
  const { gate } = gateOf(2)
  const stopping = clientOf(gate, 5)
  const going = clientOf(gate, 5)
  stopping.may = false
  gate.pump()
  await turn()
  expect([stopping.started, going.started]).toEqual([0, 2])
  for (let ended = 0; ended < 3; ended++) gate.finished('ok')
  expect([stopping.started, going.started]).toEqual([0, 5])
  stopping.may = true
  gate.finished('ok')
  expect(stopping.started).toBe(1)
})

it('is open again as soon as the journal says so, also where it learns late that its own trip is known there', async () => {
  const { gate, clock, told } = gateOf(2)
  const client = clientOf(gate, 100)
  gate.update(closed)
  await turn()
  for (let failed = 0; failed < 5; failed++) gate.finished('unreachable')
  expect(gate.stand).toBe('closed')
  // Opened by this one, probed and closed by another; the answer to the first of these comes last.
  gate.update({ ...closed, version: 4 })
  told.resolve()
  await turn()
  clock.moveTo(1_000)
  gate.update({ ...closed, version: 4 })
  expect(gate.stand).toBe('open')
  expect(client.started).toBeGreaterThan(5)
})

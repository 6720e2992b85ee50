import { expect, it } from 'vitest'
import { systemSettings } from '../define/system.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { SystemGate } from './gate.ts'
import { ReadyQueue } from './ready-queue.ts'
import type { CallRun } from './run.ts'

function gateOf(concurrency: number) {
  return new SystemGate({
    id: 1,
    name: 'erp',
    settings: systemSettings({ name: 'erp', limits: { concurrency }, breaker: { probeDelay: 200 } }),
    worker: 'w1',
    journal: {
      states: async () => [],
      reserveRate: async ({ tokens }) => ({ granted: tokens, retryInMs: 0 }),
      permits: async ({ want }) => ({ granted: want, othersWaiting: 0 }),
      openBreaker: async () => undefined,
      tryProbe: async () => false,
      closeBreaker: async () => undefined,
      throttle: async () => undefined,
    },
    clock: new VirtualClock(0),
    onError: (error) => {
      throw error
    },
  })
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
  const gate = gateOf(2)
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

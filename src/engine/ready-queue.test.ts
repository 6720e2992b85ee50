import { expect, it } from 'vitest'
import { ReadyQueue } from './ready-queue.ts'
import type { CallRun } from './run.ts'

function queueOf(count: number): { queue: ReadyQueue; started: number[] } {
  const started: number[] = []
  const queue = new ReadyQueue({
    start: ({ keyNo }) => {
      started.push(keyNo)
      return true
    },
    mayStart: () => true,
    gateChanged: () => undefined,
  })
  for (let number = 0; number < count; number++) queue.push(callOf(number))
  return { queue, started }
}

function callOf(number: number): CallRun {
  return { keyNo: number, place: 'idle' } as CallRun
}

function startAll(queue: ReadyQueue): void {
  while (queue.hasReady) queue.startNext()
}

it('starts thousands in the order in which they came', () => {
  const { queue, started } = queueOf(5_000)
  for (let round = 0; round < 3_000; round++) queue.startNext()
  queue.push(callOf(5_000))
  startAll(queue)
  expect(started).toEqual(Array.from({ length: 5_001 }, (_, number) => number))
  expect(queue.startNext()).toBe(false)
})

it('takes out those that match, of those that still wait', () => {
  const { queue, started } = queueOf(3_000)
  for (let round = 0; round < 1_500; round++) queue.startNext()
  const taken = queue.take(({ keyNo }) => keyNo % 2 === 0)
  expect(taken.map(({ keyNo, place }) => [keyNo, place])).toEqual(
    Array.from({ length: 750 }, (_, index) => [1_500 + index * 2, 'idle']),
  )
  startAll(queue)
  expect(started.slice(1_500)).toEqual(Array.from({ length: 750 }, (_, index) => 1_501 + index * 2))
})

it('starts nothing while its group may start nothing, whoever asks', () => {
  let may = false
  const started: CallRun[] = []
  const queue = new ReadyQueue({
    start: (call) => started.push(call) > 0,
    mayStart: () => may,
    gateChanged: () => undefined,
  })
  queue.push(callOf(1))
  expect([queue.hasReady, queue.startNext(), started.length]).toEqual([false, false, 0])
  may = true
  expect([queue.hasReady, queue.startNext(), started.length]).toEqual([true, true, 1])
})

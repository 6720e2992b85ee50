import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPositions } from './positions.ts'
import type { Run } from './run.ts'

const runOf = (flow: number, seq: number) => ({ flow: { id: flow }, event: { seq }, settled: false }) as Run

describe('positions', () => {
  it('lies below the lowest run that has not settled, in whatever order they do', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(gaps, fc.infiniteStream(fc.nat()), (steps, choices) => {
        const positions = createPositions([1])
        let seq = 0
        const open = steps.map((step) => runOf(1, (seq += step)))
        for (const run of open) positions.track(run)
        const readTo = seq + 3
        while (open.length > 0) {
          expect(positions.unsettled).toBe(open.length)
          expect(positions.current(readTo).get(1)).toBe((open[0]?.event.seq ?? 0) - 1)
          const [run] = open.splice((choices.next().value as number) % open.length, 1)
          if (run) positions.settle(run)
        }
        expect(positions.current(readTo).get(1)).toBe(readTo)
      }),
    )
  })

  it('moves for nobody who was not read', () => {
    const positions = createPositions([1])
    positions.track(runOf(1, 5))
    for (const seq of [4, 6]) positions.settle(runOf(1, seq))
    expect(positions.current(9).get(1)).toBe(4)
  })

  it('goes on while runs come and go, and one that lags keeps its place', () => {
    const positions = createPositions([1, 2])
    const late = runOf(1, 1)
    positions.track(late)
    for (let seq = 2; seq < 10_000; seq++) {
      const run = runOf(1, seq)
      positions.track(run)
      positions.settle(run)
      positions.settle(run) // once more changes nothing
    }
    expect(positions.current(9_999)).toEqual(
      new Map([
        [1, 0],
        [2, 9_999],
      ]),
    )
    positions.settle(late)
    expect(positions.current(9_999).get(1)).toBe(9_999)
    expect(positions.unsettled).toBe(0)
    const next = runOf(1, 10_000)
    positions.track(next)
    expect(positions.current(10_001).get(1)).toBe(9_999)
  })
})

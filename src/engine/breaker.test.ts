import { expect, it } from 'vitest'
import { systemSettings } from '../define/system.ts'
import type { Breaker, CallSign } from './breaker.ts'
import { afterCall, closedBreaker } from './breaker.ts'

const { breaker: options } = systemSettings({ name: 'erp' })
const play = (signs: readonly CallSign[], from: Breaker = closedBreaker(0)) =>
  signs.reduce((breaker, sign, now) => afterCall(breaker, sign, { now, options, concurrency: 4 }), from)

it('opens after five refused connections in a row, and one answer in between starts the count again', () => {
  expect(play(Array<CallSign>(5).fill('unreachable')).kind).toBe('open')
  expect(play(['unreachable', 'unreachable', 'unreachable', 'unreachable', 'ok', 'unreachable']).kind).toBe(
    'closed',
  )
})

it('opens when half of at least twenty calls fail, and not on a few', () => {
  const mixed = Array.from({ length: 19 }, (_, index): CallSign => (index % 2 ? 'ok' : 'failed'))
  expect(play(mixed).kind).toBe('closed')
  expect(play([...mixed, 'failed']).kind).toBe('open')
})

it('waits longer after each failed probe, up to the bound', () => {
  let breaker: Breaker = { kind: 'probing', delayMs: options.probeDelayMs }
  for (let probe = 0; probe < 12; probe++) {
    breaker = afterCall(breaker, 'unreachable', { now: 0, options, concurrency: 4 })
    expect(breaker.kind).toBe('open')
    breaker = { kind: 'probing', delayMs: (breaker as Breaker & { kind: 'open' }).delayMs }
  }
  expect(breaker).toEqual({ kind: 'probing', delayMs: options.maxProbeDelayMs })
})

it('starts slowly after a good probe: one more call at once with each success, and opens again on the first failure', () => {
  const probed = play(['ok'], { kind: 'probing', delayMs: 500 })
  expect(probed).toMatchObject({ kind: 'closed', allowance: 1 })
  expect(play(['ok', 'ok'], probed)).toMatchObject({ allowance: 3 })
  expect(play(Array<CallSign>(4).fill('ok'), probed)).toMatchObject({ allowance: Infinity })
  expect(play(['ok', 'failed'], probed).kind).toBe('open')
})

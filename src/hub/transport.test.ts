import { afterEach, expect, it, vi } from 'vitest'
import { seldom } from './transport.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('the same error is told once in thirty seconds, another at once', () => {
  vi.useFakeTimers()
  const told: string[] = []
  const tell = seldom((error) => told.push((error as Error).message))
  for (let index = 0; index < 100; index++) tell(new Error('refused'))
  tell(new Error('blocked'))
  expect(told).toEqual(['refused', 'blocked'])
  vi.advanceTimersByTime(30_000)
  tell(new Error('refused'))
  expect(told).toEqual(['refused', 'blocked', 'refused'])
})

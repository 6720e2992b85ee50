import { expect, it } from 'vitest'
import { plannedFaults } from './plan.ts'
import type { PlannedFault } from './plan.ts'

function firstOf(seed: number, count: number): PlannedFault[] {
  const planned = plannedFaults(seed)
  return Array.from({ length: count }, () => planned.next().value)
}

const nameOf = ({ kind, target }: PlannedFault) => `${kind} ${target}`

it('follows from the seed', () => {
  expect(firstOf(1, 100)).toEqual(firstOf(1, 100))
  expect(firstOf(1, 100)).not.toEqual(firstOf(2, 100))
})

it('begins with the faults that something must recover from within a bound', () => {
  expect(firstOf(7, 8).map(nameOf).toSorted()).toEqual([
    'alarm broker',
    'isolate worker',
    'kill broker',
    'kill postgres',
    'kill worker',
    'restart broker',
    'restart postgres',
    'stop worker',
  ])
})

it('has each fault of each target before any comes again, and goes on for ever', () => {
  const all = new Set(firstOf(3, 1_000).map(nameOf))
  expect(new Set(firstOf(3, all.size).map(nameOf))).toEqual(all)
  expect(
    new Set(
      firstOf(3, 2 * all.size)
        .slice(all.size)
        .map(nameOf),
    ),
  ).toEqual(all)
})

it('does two things at once now and then, where one of them is a server', () => {
  const doubles = firstOf(5, 1_000).filter(({ also }) => also)
  expect(doubles.length).toBeGreaterThan(10)
  expect(new Set(doubles.map(({ target }) => target))).toEqual(new Set(['postgres', 'broker']))
})

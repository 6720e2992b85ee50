import { expect, it } from 'vitest'
import { sabotages } from './sabotage.ts'
import { simulate } from './simulate.ts'

const maxSeeds = 400

it.each(Object.entries(sabotages))('finds %s', { timeout: 180_000 }, async (_, { breaks, sabotage }) => {
  const found: string[] = []
  for (let seed = 1; seed <= maxSeeds && !found.some((each) => breaks.test(each)); seed++)
    found.push(...(await simulate(seed, { sabotage })).violations)
  expect(found).toContainEqual(expect.stringMatching(breaks))
})

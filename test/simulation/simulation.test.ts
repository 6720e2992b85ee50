import { expect, it } from 'vitest'
import { simulate } from './simulate.ts'

it('keeps the promises in seed 1', async () => {
  expect((await simulate(1)).violations).toEqual([])
})

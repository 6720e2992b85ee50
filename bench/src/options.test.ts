import { expect, it } from 'vitest'
import { optionsOf } from './options.ts'

it('runs three rounds by default and one when it must be quick', () => {
  expect(optionsOf([])).toMatchObject({ rounds: 3, workloads: ['fan-out'], amounts: { seconds: 15 } })
  expect(optionsOf(['--quick'])).toMatchObject({ rounds: 1, amounts: { seconds: 3 } })
  expect(optionsOf(['--quick', '--rounds', '2'])).toMatchObject({ rounds: 2 })
})

it('says what is no number, and what no number of partitions', () => {
  expect(() => optionsOf(['--seconds', 'ten'])).toThrow('--seconds is a whole number, not "ten"')
  expect(() => optionsOf(['--finished', '0,'])).toThrow('--finished is a whole number, not ""')
  expect(() => optionsOf(['--partitions', '3'])).toThrow('--partitions is 1, 2 or 4')
})

import { expect, it } from 'vitest'
import { Ledger } from './ledger.ts'

function ledgerOf(ids: readonly string[]): Ledger {
  const ledger = new Ledger()
  for (const id of ids) ledger.note(id)
  return ledger
}

it('counts what comes in order and finds nothing wrong with it', () => {
  const { count, late, repeats } = ledgerOf(['7.1', '8.1', '7.2', '8.2', '7.3'])
  expect({ count, late, repeats }).toEqual({ count: 5, late: 0, repeats: 0 })
})

it('calls late what comes after a later revision of its key, and only that', () => {
  const { count, late, repeats } = ledgerOf(['7.2', '8.1', '7.1', '7.3'])
  expect({ count, late, repeats }).toEqual({ count: 4, late: 1, repeats: 0 })
})

it('counts each of several that one has overtaken', () => {
  expect(ledgerOf(['7.4', '7.2', '7.1', '7.3', '7.5']).late).toBe(3)
})

it('counts what comes twice once, whether its turn has come or not', () => {
  const { count, late, repeats } = ledgerOf(['7.1', '7.1', '7.3', '7.3', '7.2'])
  expect({ count, late, repeats }).toEqual({ count: 3, late: 1, repeats: 2 })
})

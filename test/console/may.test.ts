import { expect, it } from 'vitest'
import { whyNot } from '../../console/src/may.ts'

const viewer = { scopes: ['read' as const], role: 'viewer' as const, systems: null }
const operator = { scopes: ['read' as const, 'operate' as const], role: 'operator' as const, systems: null }
const limited = { ...operator, systems: ['erp', 'shop'] }

it('who may only look may not act, and looks', () => {
  expect(whyNot(viewer, { touches: ['erp'] })).toBe('As viewer you can look at everything, and not act.')
  expect(whyNot(viewer, { needs: 'read' })).toBeUndefined()
  expect(whyNot(operator, { needs: 'admin' })).toBe('Only an admin may change this.')
})

it('an operator who is not limited acts on everything', () => {
  expect(whyNot(operator, {})).toBeUndefined()
  expect(whyNot(operator, { touches: ['accounting'] })).toBeUndefined()
})

it('one limited to systems acts on what is about these alone, as the control API judges it', () => {
  const only = 'You may act on erp, shop only'
  expect(whyNot(limited, { touches: ['erp'] })).toBeUndefined()
  expect(whyNot(limited, { touches: ['erp', 'shop'] })).toBeUndefined()
  expect(whyNot(limited, { touches: 'chosen' })).toBeUndefined()
  expect(whyNot(limited, { needs: 'read' })).toBeUndefined()
  expect(whyNot(limited, { touches: ['erp', 'accounting'] })).toBe(`${only}; this is about accounting.`)
  expect(whyNot(limited, {})).toBe(`${only}, and this is not about one system.`)
})

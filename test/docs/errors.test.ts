import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { BusbarError, errorCodes } from '../../src/errors.ts'
import { toProblem } from '../../src/ingress/problem.ts'

const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
const rows = new Map(
  [...text.matchAll(/^\| `([^`]+)` +\| ([^|]*)\|/gm)].map(([, code = '', when = '']) => [code, when]),
)

it('docs/errors.md lists exactly the codes there are', () => {
  expect([...rows.keys()].sort()).toEqual([...errorCodes].sort())
})

it.each(errorCodes.filter((code) => !code.startsWith('call.')))(
  'docs/errors.md tells the status of %s over HTTP',
  (code) => {
    const { status } = toProblem(new BusbarError(code, 'x'))
    const told = /\((\d{3})\)/.exec(rows.get(code) ?? '')?.[1]
    expect(told).toBe(status === 500 ? undefined : String(status))
  },
)

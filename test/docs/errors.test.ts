import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { errorCodes } from '../../src/errors.ts'

it('docs/errors.md lists exactly the codes there are', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\| `([^`]+)` /gm)].map((match) => match[1])
  expect(documented.sort()).toEqual([...errorCodes].sort())
})

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { apiPrefix, routes } from '../../src/control/route-table.ts'

it('docs/http-api.md lists each operation of the control API, and no other', () => {
  const text = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\| `((?:GET|POST) \/api\/v1[^`]*)`/gm)].map((match) => match[1])
  expect(documented).toEqual(Object.values(routes).map(({ method, path }) => `${method} ${apiPrefix}${path}`))
})

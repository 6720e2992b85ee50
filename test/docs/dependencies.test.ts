import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

it('docs/decisions/0005-dependencies.md argues each runtime dependency, and no other', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const { dependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<string, object>
  const argued = [...read('docs/decisions/0005-dependencies.md').matchAll(/^\| `([^`]+)`/gm)].map(
    (match) => match[1],
  )
  expect(argued.sort()).toEqual(
    [...Object.keys(dependencies ?? {}), ...Object.keys(optionalDependencies ?? {})].sort(),
  )
})

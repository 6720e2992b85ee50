import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { consoleRoutes } from '../../scripts/console-routes.ts'

it('the console knows every operation of the control API as it is: npm run console:routes', async () => {
  expect(readFileSync('console/src/api-routes.ts', 'utf8')).toBe(await consoleRoutes())
})

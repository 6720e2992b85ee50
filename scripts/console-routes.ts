/** Writes what the console knows of each operation of the control API: its address, without the schemas, which would be most of its code. */
import { writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import type { Route } from '../src/control/route.ts'
import { routes } from '../src/control/route-table.ts'

const file = 'console/src/api-routes.ts'

/** The file as it is to be. */
export async function consoleRoutes(): Promise<string> {
  const entries = Object.entries(routes as Readonly<Record<string, Route>>).map(([id, route]) => {
    const { method, path, query, body } = route
    return [id, { method, path, query: Object.keys(query.shape), body: Object.keys(body.shape) }]
  })
  const text = `/** Made by \`npm run console:routes\` from src/control/route-table.ts; not to be changed by hand. */
export const apiRoutes = ${JSON.stringify(Object.fromEntries(entries))} as const\n`
  return format(text, { ...(await resolveConfig(file)), filepath: file })
}

if (import.meta.main) writeFileSync(file, await consoleRoutes())

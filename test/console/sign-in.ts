/** People at the console who need not sign in first. */
import { beginSession } from '../../src/access/sessions.ts'
import type { UserRole } from '../../src/define/access-config.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { databaseUrl } from '../scenario/rig.ts'
import type { ConsoleRig } from './rig.ts'

/** Makes a user without a password, and gives a session of that one to the browser. */
export async function signInAs(
  rig: ConsoleRig,
  {
    name,
    role,
    systems = null,
  }: { readonly name: string; readonly role: UserRole; readonly systems?: readonly string[] | null },
): Promise<void> {
  const [user] = await rig.sql<{ id: number }>(
    `INSERT INTO users (name, role, password, systems) VALUES ($1, $2, '', $3) RETURNING id::int`,
    [name, role, systems],
  )
  const database = openDatabase({
    url: databaseUrl,
    schema: rig.schema,
    applicationName: 'test',
    maxConnections: 1,
  })
  const token = await beginSession(database, user as { id: number }, {
    life: { idleMs: 600_000, longestMs: 600_000 },
    device: { address: '127.0.0.1', agent: 'test' },
  })
  await database.close()
  await rig.context.addCookies([{ name: 'busbar-session', value: token, url: rig.hub.url }])
}

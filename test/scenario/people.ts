/** People who have signed in, without the cost of their passwords. */
import type { UserRole } from '../../src/define/access-config.ts'
import { beginSession } from '../../src/access/sessions.ts'
import { Browser } from './browser.ts'
import type { ControlRig } from './control-rig.ts'

const life = { idleMs: 60_000, longestMs: 60_000 }
const device = { address: '127.0.0.1', agent: 'test' }

/** A browser in which this user has signed in; the user is made when there is none of the name. */
export async function signedIn(
  rig: Pick<ControlRig, 'app' | 'database' | 'sql'>,
  user: { readonly name: string; readonly role: UserRole; readonly systems?: readonly string[] },
): Promise<Browser> {
  const [row] = await rig.sql<{ id: number }>(
    `INSERT INTO users (name, role, systems) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET role = excluded.role RETURNING id::int`,
    [user.name, user.role, user.systems ?? null],
  )
  const browser = new Browser(rig.app)
  browser.setCookie(
    'busbar-session',
    await beginSession(rig.database, { id: row?.id ?? 0 }, { life, device }),
  )
  return browser
}

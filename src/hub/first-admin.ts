import { createFirstLink, linkPath } from '../access/users.ts'
import type { Config } from '../define/config.ts'
import type { Database } from '../journal/database.ts'

const everywhere = new Set(['0.0.0.0', '::'])

/** The link by which the first admin comes, as people can open it; undefined when there is a user already. */
export async function firstAdminLink(
  database: Database,
  { config, url }: { readonly config: Config; readonly url: string },
): Promise<string | undefined> {
  const link = await createFirstLink(database)
  return link && (config.access.url ?? reachable(url)) + linkPath(link.token)
}

/** A server that listens everywhere is reached from this machine at least. */
function reachable(url: string): string {
  const address = new URL(url)
  if (everywhere.has(address.hostname.replace(/^\[|\]$/g, ''))) address.hostname = 'localhost'
  return address.origin
}

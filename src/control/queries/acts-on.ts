import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { AuditEntry } from '../schema/overview.ts'

/** Most acts that are told of, the newest ones. */
const maxActs = 200

/**
 * What people did to things that the audit trail names so (`run book-order/17`, `step invoice of run book-order/17`,
 * `problem 0f…`), oldest first; the newest 200. Served by audit_by_object.
 */
export async function actsOn(database: Database, objects: readonly string[]): Promise<AuditEntry[]> {
  if (objects.length === 0) return []
  const rows = await database.query<Omit<AuditEntry, 'at'> & { at: DatabaseTime }>({
    text: `SELECT id, at, actor, verb, object, reason, before, after FROM audit
           WHERE object = ANY ($1::text[]) ORDER BY id DESC LIMIT ${maxActs}`,
    values: [objects],
  })
  return rows.map((row) => ({ ...row, at: isoAlways(row.at) })).reverse()
}

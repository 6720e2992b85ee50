import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { AuditEntry, AuditPage, AuditQuery } from '../schema/overview.ts'

/** One page of the audit trail, newest first, on its primary key. */
export async function listAudit(database: Database, query: AuditQuery): Promise<AuditPage> {
  const rows = await database.query<Omit<AuditEntry, 'at'> & { at: DatabaseTime }>({
    text: `SELECT id, at, actor, verb, object, reason, before, after FROM audit
           WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::int`,
    values: [query.before ?? Number.MAX_SAFE_INTEGER, query.limit + 1],
  })
  const items = rows.slice(0, query.limit).map((row) => ({ ...row, at: isoAlways(row.at) }))
  const last = items.at(-1)
  return { items, next: rows.length > query.limit && last ? String(last.id) : null }
}

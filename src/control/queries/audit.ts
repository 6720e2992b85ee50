import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { SealedEntry, AuditPage, AuditQuery, AuditVerified, VerifyAuditQuery } from '../schema/audit.ts'

// On the primary key, or one of audit_by_actor, audit_by_verb, audit_by_object, audit_by_kind, each (…, id).
const filters = {
  actor: 'a.actor = ',
  verb: 'a.verb = ',
  object: 'a.object = ',
  kind: `split_part(a.object, ' ', 1) = `,
} as const

/** One page of the audit trail, newest first. */
export async function listAudit(database: Database, query: AuditQuery): Promise<AuditPage> {
  const values: unknown[] = [query.before ?? Number.MAX_SAFE_INTEGER, query.limit + 1]
  const conditions = Object.entries(filters).flatMap(([name, condition]) => {
    const value = query[name as keyof typeof filters]
    return value === undefined ? [] : [`AND ${condition}$${values.push(value)}`]
  })
  const rows = await database.query<Omit<SealedEntry, 'at'> & { at: DatabaseTime }>({
    text: `SELECT a.id, a.at, a.actor, a.verb, a.object, a.reason, a.before, a.after, c.number, encode(c.hash, 'hex') AS hash
           FROM audit a LEFT JOIN audit_chain c ON c.entry = a.id
           WHERE a.id < $1::bigint ${conditions.join(' ')} ORDER BY a.id DESC LIMIT $2::int`,
    values,
  })
  const items = rows.slice(0, query.limit).map((row) => ({ ...row, at: isoAlways(row.at) }))
  const last = items.at(-1)
  return { items, next: rows.length > query.limit && last ? String(last.id) : null }
}

/** Entries that one call verifies at most: about a tenth of a second. */
const atOnce = 20_000

// One range of the chain on its primary key, from the last verified entry on; $1 its number, $2 how many.
const verify = `
WITH page AS MATERIALIZED (
  SELECT c.number, c.entry, c.hash, lag(c.hash) OVER w AS before, lag(c.number) OVER w AS number_before
  FROM audit_chain c WHERE c.number >= $1::bigint WINDOW w AS (ORDER BY c.number) ORDER BY c.number LIMIT $2::int + 1
), judged AS (
  SELECT p.number, p.entry, p.hash,
         CASE WHEN p.number <> coalesce(p.number_before, 0) + 1 THEN 'gap'
              WHEN a.id IS NULL THEN 'missing'
              WHEN p.hash <> audit_hash(coalesce(p.before, ''), p.number, a) THEN 'changed' END AS why
  FROM page p LEFT JOIN audit a ON a.id = p.entry WHERE p.number > $1
)
SELECT j.number, j.entry AS id, encode(j.hash, 'hex') AS hash, j.why, n.checked
FROM (SELECT count(*) AS checked FROM judged) n
LEFT JOIN LATERAL (SELECT * FROM judged ORDER BY why IS NULL, CASE WHEN why IS NULL THEN -number ELSE number END LIMIT 1) j ON true`

interface Judged {
  readonly number: number | null
  readonly id: number
  readonly hash: string
  readonly why: 'gap' | 'missing' | 'changed' | null
  readonly checked: number
}

/** Verifies a stretch of the chain from its own text; names the first entry that is not as it was written. */
export async function verifyAudit(
  database: Database,
  { after, expect }: VerifyAuditQuery,
): Promise<AuditVerified> {
  const [row] = await database.query<Judged>({ text: verify, values: [after, atOnce] })
  const { number = null, id = null, hash = '', why = null, checked = 0 } = row ?? {}
  if (why !== null && number !== null)
    return { checked, broken: { number, id, why, message: words(why, number, id) }, head: null, next: null }
  const head = number === null ? null : { number, hash }
  if (checked === atOnce) return { checked, broken: null, head, next: number }
  const broken =
    (await unchained(database)) ?? (expect === undefined ? null : await rewritten(database, expect))
  return { checked, broken, head, next: null }
}

/** A head that was noted before and is not there any more. */
async function rewritten(database: Database, expect: string): Promise<AuditVerified['broken']> {
  const [number = '', hash] = expect.split(':')
  const [row] = await database.query<{ entry: number; hash: string }>({
    text: `SELECT entry, encode(hash, 'hex') AS hash FROM audit_chain WHERE number = $1::bigint`,
    values: [number],
  })
  if (row?.hash === hash) return null
  const at = Number(number)
  return { number: at, id: row?.entry ?? null, why: 'rewritten', message: words('rewritten', at, null) }
}

/** An entry that never got its place: busbar gives it one in the same transaction. */
async function unchained(database: Database): Promise<AuditVerified['broken']> {
  const [row] = await database.query<{ id: number | null }>({
    text: 'SELECT min(a.id) AS id FROM audit a WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.entry = a.id)',
  })
  const id = row?.id ?? null
  return id === null ? null : { number: null, id, why: 'unchained', message: words('unchained', null, id) }
}

function words(
  why: NonNullable<AuditVerified['broken']>['why'],
  number: number | null,
  id: number | null,
): string {
  switch (why) {
    case 'changed':
      return `entry ${number} (id ${id}) says something else than when it was written`
    case 'missing':
      return `entry ${number} (id ${id}) was removed`
    case 'gap':
      return `what stood before entry ${number} was removed`
    case 'rewritten':
      return `entry ${number} is not the one that was noted: the trail was rewritten, or its end cut off`
    case 'unchained':
      return `the entry with id ${id} has no place in the chain: it was added from outside`
  }
}

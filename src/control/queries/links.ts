import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { Link, LinkConflict, LinkList, LinksQuery } from '../schema/link.ts'

/** An object has an id in each of so many systems at most, as far as anybody looks. */
const maxItems = 200

const givenBy = `f.name AS flow, k.seq, k.gen`
const linkColumns = `k.kind, k.cid AS id, k.system, k.ext AS external, k.at, k.step, k.set_by, ${givenBy}
FROM links k LEFT JOIN flows f ON f.id = k.flow`

// Served by the primary key (kind, cid, system).
const ofObject = `SELECT ${linkColumns} WHERE k.kind = $1 AND k.cid = $2 AND ($3::text IS NULL OR k.system = $3)
AND k.ext IS NOT NULL ORDER BY k.system LIMIT ${maxItems}`
// Served by the unique index (system, ext, kind).
const ofExternal = `SELECT ${linkColumns} WHERE k.system = $1 AND k.ext = $2 AND ($3::text IS NULL OR k.kind = $3)
ORDER BY k.kind LIMIT ${maxItems}`

// The same primary key, one range for each kind that there is.
const ofId = `
WITH RECURSIVE kinds AS (
  (SELECT k.kind FROM links k ORDER BY k.kind LIMIT 1)
  UNION ALL
  SELECT n.kind FROM kinds s CROSS JOIN LATERAL (
    SELECT k.kind FROM links k WHERE k.kind > s.kind ORDER BY k.kind LIMIT 1
  ) n
)
SELECT l.* FROM (SELECT kind FROM kinds LIMIT ${maxItems}) s CROSS JOIN LATERAL (
  SELECT ${linkColumns} WHERE k.kind = s.kind AND k.cid = $1 AND k.ext IS NOT NULL ORDER BY k.system LIMIT ${maxItems}
) l ORDER BY l.at, l.system LIMIT ${maxItems}`

const conflictsText = `SELECT k.kind, k.cid AS id, k.system, k.ext AS external, k.held_ext, k.held_cid, k.at, k.step, ${givenBy}
FROM unnest($1::text[], $2::text[]) AS o (kind, cid)
JOIN link_conflicts k ON k.kind = o.kind AND k.cid = o.cid   -- primary key
JOIN flows f ON f.id = k.flow
ORDER BY k.at DESC LIMIT ${maxItems}`

const awaitedText = `SELECT w.kind, w.cid AS id, w.system, count(*)::int AS lanes
FROM unnest($1::text[], $2::text[]) AS o (kind, cid)
JOIN link_waits w ON w.kind = o.kind AND w.cid = o.cid       -- primary key
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT ${maxItems}`

interface Given {
  readonly flow: string | null
  readonly seq: number
  readonly gen: number
  readonly at: DatabaseTime
}
type LinkRow = Omit<Link, 'at' | 'run' | 'setBy'> & Given & { readonly set_by: string | null }
type ConflictRow = Omit<LinkConflict, 'at' | 'run' | 'heldExternal' | 'heldId'> &
  Given & { readonly held_ext: string | null; readonly held_cid: string | null }

/**
 * The ids of an object, or the objects of an id, with what stands against them and who waits for more. Throws
 * `request.invalid` unless `kind` and `id`, or `system` and `external`, are given.
 */
export async function listLinks(database: Database, query: LinksQuery): Promise<LinkList> {
  const { kind = null, id = null, system = null, external = null } = query
  const byObject = kind !== null && id !== null && external === null
  if (!byObject && (system === null || external === null || id !== null))
    throw new BusbarError(
      'request.invalid',
      'say which: kind and id (and system, if you like), or system and external (and kind)',
    )
  const rows = await database.query<LinkRow>(
    byObject
      ? { text: ofObject, values: [kind, id, system] }
      : { text: ofExternal, values: [system, external, kind] },
  )
  const objects = byObject ? [{ kind, id }] : rows
  const values = [objects.map((object) => object.kind), objects.map((object) => object.id)]
  const conflicts = await database.query<ConflictRow>({ text: conflictsText, values })
  const awaited = await database.query<LinkList['awaited'][number]>({ text: awaitedText, values })
  return { items: rows.map(linkOf), conflicts: conflicts.map(conflictOf), awaited }
}

/** The ids of whatever has this id in the company's own words, of any kind, with the conflicts about it; first given first. */
export async function linksOfId(
  database: Database,
  id: string,
): Promise<Pick<LinkList, 'items' | 'conflicts'>> {
  const rows = await database.query<LinkRow>({ text: ofId, values: [id] })
  const kinds = [...new Set(rows.map(({ kind }) => kind))]
  const conflicts = await database.query<ConflictRow>({
    text: conflictsText,
    values: [kinds, kinds.map(() => id)],
  })
  return { items: rows.map(linkOf), conflicts: conflicts.map(conflictOf) }
}

function linkOf({ flow, seq, gen, at, set_by, ...row }: LinkRow): Link {
  return { ...row, at: isoAlways(at), run: runOf(flow, seq, gen), setBy: set_by }
}

function conflictOf({ flow, seq, gen, at, held_ext, held_cid, ...row }: ConflictRow): LinkConflict {
  const run = { flow: flow ?? '', seq, generation: gen }
  return { ...row, at: isoAlways(at), run, heldExternal: held_ext, heldId: held_cid }
}

function runOf(flow: string | null, seq: number, generation: number): Link['run'] {
  return flow === null ? null : { flow, seq, generation }
}

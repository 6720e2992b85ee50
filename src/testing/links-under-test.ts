import type { LinkName } from '../journal/port-links.ts'
import type { Sql } from './sql-snapshot.ts'

/** A cross-reference as it stands. */
export interface KnownLink extends LinkName {
  readonly external: string
}

/** One that was not taken over, and what stood against it. */
export interface RefusedLink extends KnownLink {
  readonly heldExternal: string | null
  readonly heldId: string | null
}

/** The cross-references of a journal under test, beside its port: what people do to them, and what they have come to. */
export interface LinksUnderTest {
  /** As a person would. */
  set(link: KnownLink & { readonly replace?: boolean }): Promise<'done' | 'same' | 'held' | 'taken'>
  /** As a person would; whether there was one. */
  remove(name: LinkName): Promise<boolean>
  all(): Promise<readonly KnownLink[]>
  conflicts(): Promise<readonly RefusedLink[]>
  /** Who waits, and whether what they wait for has come. */
  waits(group: string): Promise<readonly (LinkName & { readonly key: string; readonly due: boolean })[]>
  /** How many rows the cross-references take, waited-for ones included. */
  rows(): Promise<number>
}

/** The same over SQL. */
export function sqlLinksUnderTest(sql: Sql): LinksUnderTest {
  return {
    async set({ kind, id, system, external, replace = false }) {
      const values = [kind, id, system, external, replace, 'tester', null]
      const [row] = await sql<{ result: Awaited<ReturnType<LinksUnderTest['set']>> }>(
        'SELECT result FROM set_link($1, $2, $3, $4, $5, $6, $7)',
        values,
      )
      return row?.result ?? 'same'
    },
    async remove({ kind, id, system }) {
      const values = [kind, id, system, 'tester', null]
      const [row] = await sql<{ removed: string | null }>(
        'SELECT remove_link($1, $2, $3, $4, $5) AS removed',
        values,
      )
      return row?.removed != null
    },
    all: () =>
      sql('SELECT kind, id, system, external_id AS external FROM cross_references ORDER BY kind, id, system'),
    conflicts: () =>
      sql(`SELECT kind, cid AS id, system, ext AS external, held_ext AS "heldExternal", held_cid AS "heldId"
           FROM link_conflicts ORDER BY kind, cid, system, ext`),
    waits: (group) =>
      sql(
        'SELECT kind, cid AS id, system, key, due FROM link_waits WHERE grp = $1 ORDER BY key, kind, cid, system',
        [group],
      ),
    async rows() {
      const [row] = await sql<{ rows: number }>('SELECT count(*)::int AS rows FROM links')
      return row?.rows ?? 0
    },
  }
}

import type { Database } from './database.ts'
import { fenced } from './fenced.ts'
import type { LinksJournal } from './port-links.ts'

/** Cross-references in SQL; see 0011-links.sql. */
export function sqlLinks(database: Database): LinksJournal {
  return {
    async externalIds(names) {
      const rows = await database.query<{ found: string | null }>({
        name: 'external-ids',
        text: `SELECT k.ext AS found
               FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS n (kind, cid, system, place)
               LEFT JOIN links k ON k.kind = n.kind AND k.cid = n.cid AND k.system = n.system  -- primary key
               ORDER BY n.place`,
        values: [names.map(({ kind }) => kind), names.map(({ id }) => id), names.map(({ system }) => system)],
      })
      return rows.map(({ found }) => found)
    },

    async canonicalIds(names) {
      const rows = await database.query<{ found: string | null }>({
        name: 'canonical-ids',
        text: `SELECT k.cid AS found
               FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS n (kind, system, ext, place)
               LEFT JOIN links k ON k.system = n.system AND k.ext = n.ext AND k.kind = n.kind  -- unique (system, ext, kind)
               ORDER BY n.place`,
        values: [
          names.map(({ kind }) => kind),
          names.map(({ system }) => system),
          names.map(({ external }) => external),
        ],
      })
      return rows.map(({ found }) => found)
    },

    releaseLinked: ({ group, part, epoch, limit }) =>
      fenced(async () => {
        const [row] = await database.query<{ released: number }>({
          name: 'release-linked',
          text: 'SELECT release_linked($1::text, $2::int, $3::bigint, $4::int) AS released',
          values: [group, part, epoch, limit],
        })
        return row?.released ?? 0
      }),

    tidyLinkWaits: ({ group, part, epoch, limit }) =>
      fenced(async () => {
        const [row] = await database.query<{ forgotten: number }>({
          name: 'tidy-link-waits',
          text: 'SELECT tidy_link_waits($1::text, $2::int, $3::bigint, $4::int) AS forgotten',
          values: [group, part, epoch, limit],
        })
        return row?.forgotten ?? 0
      }),
  }
}

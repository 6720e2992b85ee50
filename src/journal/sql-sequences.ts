import type { Database } from './database.ts'
import type { SequenceJournal } from './port.ts'

/** How far the sequences of keys have come, in SQL; see 0012-ordering.sql. */
export function sqlSequences(database: Database): SequenceJournal {
  return {
    sequences: (group, keys) =>
      database.query({
        name: 'sequences',
        text: 'SELECT key, last, seq FROM sequences WHERE grp = $1 AND key = ANY ($2::text[])',
        values: [group, keys],
      }),
  }
}

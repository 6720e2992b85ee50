import type { Database } from './database.ts'
import { fenced } from './fenced.ts'
import type { ClaimedRun, DoneRun, Flush, KnownStep, OwnerJournal } from './port.ts'

/** What the owner of a lane group does, in SQL; each is one call of a function in 0003-owner.sql. */
export function sqlOwner(database: Database): OwnerJournal {
  const write = (flushes: readonly Flush[]) =>
    fenced(async () => {
      // In the order of all that lock several groups, so that none waits for one that waits for it.
      const sorted = flushes.toSorted((one, other) =>
        one.group === other.group ? one.part - other.part : one.group < other.group ? -1 : 1,
      )
      await database.query({
        name: `flush-${flushes.length}`,
        text: flushText(flushes.length),
        values: sorted.flatMap(flushValues),
      })
      return 'ok' as const
    })
  return {
    flush: (flush) => write([flush]),
    flushAll: write,

    async slowKeys(group, keys) {
      const rows = await database.query<{ key: string }>({
        name: 'slow-keys',
        text: 'SELECT key FROM lanes WHERE grp = $1 AND key = ANY ($2::text[])',
        values: [group, keys],
      })
      return rows.map((row) => row.key)
    },

    async hasSlowLanes(group) {
      const [row] = await database.query<{ some: boolean }>({
        name: 'has-slow-lanes',
        text: 'SELECT EXISTS (SELECT FROM lanes WHERE grp = $1) AS some',
        values: [group],
      })
      return row?.some ?? false
    },

    existing: (flows, after, upTo) =>
      database.query({
        name: 'existing',
        text: 'SELECT flow, seq FROM runs WHERE flow = ANY ($1::smallint[]) AND seq > $2 AND seq <= $3 AND gen = 0',
        values: [flows, after, upTo],
      }),

    async stepsWithoutRun(flows, after, upTo) {
      const rows = await database.query<{ flow: number; seq: number; steps: readonly KnownStep[] }>({
        name: 'steps-without-run',
        text: `SELECT s.flow, s.seq, known_steps(s.flow, s.seq, 0::smallint) AS steps
               FROM (SELECT DISTINCT flow, seq FROM steps        -- primary key
                     WHERE flow = ANY ($1::smallint[]) AND seq > $2 AND seq <= $3 AND gen = 0) s
               WHERE NOT EXISTS (SELECT FROM runs r WHERE r.flow = s.flow AND r.seq = s.seq AND r.gen = 0)`,
        values: [flows, after, upTo],
      })
      return rows.flatMap(({ flow, seq, steps }) => steps.map((step) => ({ flow, seq, step })))
    },

    async due(query) {
      const rows = await database.query<{ key: string }>({
        name: 'due',
        text: dueText,
        values: [query.group, query.part, query.parts, query.systems, query.limit],
      })
      return rows.map((row) => row.key)
    },

    claim: (claim) =>
      fenced(async () => {
        const { group, part, epoch, keys, maxRuns, maxBytes, again = false, no = null, latest = [] } = claim
        const values = [group, part, epoch, keys, maxRuns, maxBytes, again, no]
        const settles = [latest.map(({ flow }) => flow), latest.map(({ settleMs }) => settleMs)]
        const rows = await database.query<ClaimRow>(
          latest.length === 0
            ? { name: 'claim', text: claimText, values }
            : { name: 'claim-latest', text: claimLatestText, values: [...values, ...settles] },
        )
        return rows.map(claimedRun)
      }),

    mark: ({ group, part, epoch, run }) =>
      fenced(async () => {
        await database.query({
          name: 'mark',
          text: 'SELECT mark($1::text, $2::int, $3::bigint, $4::smallint, $5::bigint, $6::smallint, $7::smallint)',
          values: [group, part, epoch, run.flow, run.seq, run.gen, run.phase],
        })
        return 'ok' as const
      }),
  }
}

/**
 * Lanes that are due, longest due first. The time stands in a subquery: compared with the volatile function itself,
 * next_at is no condition of the index, and each poll reads every lane that waits (10,000 of them 1.7 ms, a million
 * 170 ms; so it is 0.02 ms).
 */
export const dueText = `SELECT l.key FROM unnest($4::smallint[]) AS s (id)
  CROSS JOIN LATERAL (
    SELECT l.key, l.next_at FROM lanes l     -- lanes_due
    WHERE l.grp = $1 AND l.system = s.id AND l.next_at <= (SELECT clock_timestamp()) AND l.khash % $3::int = $2::int
    ORDER BY l.next_at LIMIT $5
  ) l ORDER BY l.next_at LIMIT $5`

const claimText =
  'SELECT * FROM claim($1::text, $2::int, $3::bigint, $4::text[], $5::int, $6::bigint, $7::boolean, $8::bigint)'

/** One call after the other in one transaction: the claim is made of what the first one answers. */
const claimLatestText = `SELECT c.*
  FROM replace_older($1::text, $2::int, $3::bigint, $4::text[], $7::boolean, $9::smallint[], $10::double precision[]) AS o (keys)
  CROSS JOIN LATERAL claim($1::text, $2::int, $3::bigint, o.keys, $5::int, $6::bigint, $7::boolean, $8::bigint) c`

/** Its arguments, in the order of `flushValues`. */
const flushTypes = [
  ...['text', 'int', 'bigint', 'text'],
  ...['smallint[]', 'bigint[]', 'smallint[]', 'int[]', 'double precision[]', 'int[]', 'smallint[]'],
  ...['json', 'json', 'json', 'json', 'text[]', 'json', 'json', 'json'],
  ...['smallint[]', 'int[]', 'bigint[]', 'bigint', 'boolean', 'double precision', 'bigint', 'boolean'],
]

const flushTexts: string[] = []

/** The calls for so many groups, one after the other. */
function flushText(groups: number): string {
  return (flushTexts[groups] ??=
    `SELECT ${Array.from({ length: groups }, (_, index) => flushCall(index)).join(', ')}`)
}

function flushCall(index: number): string {
  const first = index * flushTypes.length + 1
  return `flush(${flushTypes.map((type, place) => `$${first + place}::${type}`).join(', ')})`
}

/** Array literals of numbers are joined here: the driver would quote each element. */
function flushValues(flush: Flush): unknown[] {
  const { done, positions } = flush
  const column = (pick: (run: DoneRun) => number) => `{${done.map(pick).join(',')}}`
  return [
    flush.group,
    flush.part,
    flush.epoch,
    flush.worker,
    column((run) => run.flow),
    column((run) => run.seq),
    column((run) => run.system),
    column((run) => run.tries),
    column((run) => run.firstAt),
    column((run) => Math.round(run.ms)),
    column((run) => run.status),
    jsonOrNull(flush.runs),
    jsonOrNull(flush.steps),
    jsonOrNull(flush.attempts),
    jsonOrNull(flush.problems),
    flush.signals,
    jsonOrNull(flush.links),
    jsonOrNull(flush.linkWaits),
    jsonOrNull(flush.sequences),
    `{${positions.map((p) => p.flow).join(',')}}`,
    `{${positions.map((p) => p.version).join(',')}}`,
    `{${positions.map((p) => p.position).join(',')}}`,
    flush.claimedTo,
    flush.suspectsResolved,
    flush.gatheredAt,
    flush.no ?? null,
    flush.again ?? false,
  ]
}

function jsonOrNull(rows: readonly unknown[]): string | null {
  return rows.length === 0 ? null : JSON.stringify(rows)
}

interface ClaimRow {
  flow: number
  gen: number
  key: string
  lord: number
  ord: number
  maybe_at: number | null
  tries: number
  attempts: number
  throttles: number
  conflicts: number
  crashes: number
  first_at: number | null
  compensating: boolean
  key_gen: number | null
  awaits: 'gap' | null
  last: number | null
  last_seq: number | null
  steps: readonly KnownStep[] | null
  seq: number
  source: string
  id: string
  type: string
  event_key: string | null
  khash: number
  received_at: number
  data: string
  ext: string
}

function claimedRun(row: ClaimRow): ClaimedRun {
  const { seq, source, id, type, khash, data, ext } = row
  return {
    flow: row.flow,
    gen: row.gen,
    key: row.key,
    lord: row.lord,
    ord: row.ord,
    maybeAt: row.maybe_at,
    tries: row.tries,
    attempts: row.attempts,
    throttles: row.throttles,
    conflicts: row.conflicts,
    crashes: row.crashes,
    firstAt: row.first_at,
    compensating: row.compensating,
    keyGen: row.key_gen ?? row.gen,
    awaits: row.awaits,
    sequence: row.last === null ? null : { last: row.last, seq: row.last_seq ?? 0 },
    steps: row.steps ?? [],
    event: { seq, source, id, type, key: row.event_key, khash, receivedAt: row.received_at, data, ext },
  }
}

import type { Database } from '../../journal/database.ts'
import { listAddresses } from '../queries/runs.ts'
import type { BulkResult, BulkRetryBody } from '../schema/act.ts'
import { runId } from '../sentence.ts'
import type { RunAddress } from '../queries/run-facts.ts'

/** Runs in one transaction: their lanes are locked until it ends. */
const chunk = 50
/** Pages looked at in one call: a filter that finds little among many runs must end, too. */
const maxPages = 100
/** How many of the refused ones are named. */
const maxNamed = 50

/**
 * Retries the runs that a filter finds, newest event first, at most `limit`, fifty in a transaction, each with its
 * audit row. A run whose state has changed meanwhile is not touched and counted as refused. With `dryRun` it only counts.
 */
export async function retryRuns(
  database: Database,
  { limit, reason, dryRun, ...filter }: BulkRetryBody,
  actor: string,
): Promise<BulkResult> {
  let next: string | null = filter.cursor ?? null
  let matched = 0
  let retried = 0
  const refused: string[] = []
  for (let pages = 0; pages < maxPages && matched < limit; pages++) {
    const page = await listAddresses(database, {
      ...filter,
      ...(next !== null && { cursor: next }),
      limit: Math.min(chunk, limit - matched),
    })
    matched += page.runs.length
    next = page.next
    if (!dryRun) {
      const results = await retryChunk(database, { runs: page.runs, actor, reason: reason ?? null })
      retried += results.filter(({ result }) => result === 'done').length
      refused.push(
        ...results
          .filter(({ result }) => result !== 'done')
          .map(({ flow, seq, gen }) => runId({ flow, seq, generation: gen })),
      )
    }
    if (next === null) break
  }
  return { matched, retried, refused: refused.slice(0, maxNamed), next }
}

interface ChunkRow {
  readonly flow: string
  readonly seq: number
  readonly gen: number
  readonly result: string
}

async function retryChunk(
  database: Database,
  { runs, actor, reason }: { runs: readonly RunAddress[]; actor: string; reason: string | null },
): Promise<ChunkRow[]> {
  if (runs.length === 0) return []
  return database.query<ChunkRow>({
    text: `SELECT f.name AS flow, a.seq, a.gen, a.result
           FROM act_on_runs('retry', $1::smallint[], $2::bigint[], $3::smallint[], false, $4, $5) a
           JOIN flows f ON f.id = a.flow`,
    values: [
      runs.map(({ flow }) => flow),
      runs.map(({ seq }) => seq),
      runs.map(({ gen }) => gen),
      actor,
      reason,
    ],
  })
}

import type { Database } from '../../journal/database.ts'
import { isoAlways } from '../moment.ts'
import type { DatabaseTime } from '../moment.ts'
import type { SystemTest } from '../schema/system.ts'
import { link, say } from '../sentence.ts'
import type { Sentence } from '../schema/common.ts'

interface TestRow {
  id: number
  system: string
  asked_at: DatabaseTime
  actor: string
  outcome: SystemTest['outcome']
  class: string | null
  status: number | null
  ms: number | null
  message: string | null
  request: string | null
  response: string | null
}

const columns = `t.id, s.name AS system, t.asked_at, t.actor, t.outcome, t.class, t.status, t.ms, t.message, t.request, t.response`

/** Test calls of a system, newest first. */
export async function listTests(database: Database, system: string, limit: number): Promise<SystemTest[]> {
  const rows = await database.query<TestRow>({
    text: `SELECT ${columns} FROM system_tests t JOIN systems s ON s.id = t.system
           WHERE s.name = $1 ORDER BY t.id DESC LIMIT $2::int`,
    values: [system, limit],
  })
  return rows.map(testOf)
}

/** A test call; undefined when it is not kept any more. */
export async function findTest(database: Database, id: number): Promise<SystemTest | undefined> {
  const [row] = await database.query<TestRow>({
    text: `SELECT ${columns} FROM system_tests t JOIN systems s ON s.id = t.system WHERE t.id = $1::bigint`,
    values: [id],
  })
  return row && testOf(row)
}

function testOf({
  id,
  asked_at,
  actor,
  outcome,
  class: errorClass,
  status,
  ms,
  request,
  response,
  ...row
}: TestRow): SystemTest {
  return {
    id,
    at: isoAlways(asked_at),
    by: actor,
    outcome,
    ms: outcome === 'not-made' ? null : ms,
    status: status === 0 ? null : status,
    class: errorClass,
    ...{ request, response },
    sentence: sentenceOf({ outcome, ms, ...row }),
  }
}

function sentenceOf({
  system,
  outcome,
  ms,
  message,
}: Pick<TestRow, 'system' | 'outcome' | 'ms' | 'message'>): Sentence {
  const name = link('system', system)
  if (outcome === 'answered') return say`${name} answered in ${(ms ?? 0).toLocaleString('en')} ms`
  if (outcome === 'failed')
    return say`${name} does not answer as it should: ${message ?? 'no reason was given'}`
  if (outcome === 'not-made') return say`${name} was not called: ${message ?? 'no reason was given'}`
  return say`${name} is being called`
}

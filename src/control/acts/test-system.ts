import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { findTest } from '../queries/system-tests.ts'
import type { SystemTest } from '../schema/system.ts'

/** Workers look once a second. */
const untilBegunMs = 5_000
const untilEndedMs = 40_000
const lookEveryMs = 150

/**
 * Has a worker that calls the system make one harmless call, and answers what it came to. One at a time: who asks while
 * one is under way is told of that one. Throws `request.not-found`, and `act.refused` when no worker took it.
 */
export async function testSystem(
  database: Database,
  { name, actor, reason }: { readonly name: string; readonly actor: string; readonly reason: string | null },
): Promise<SystemTest> {
  const [asked] = await database.query<{ id: number | null }>({
    text: 'SELECT ask_test($1, $2, $3) AS id',
    values: [name, actor, reason],
  })
  if (asked?.id == null) throw new BusbarError('request.not-found', `there is no system ${name}`)
  const from = performance.now()
  for (;;) {
    const test = await findTest(database, asked.id)
    if (!test)
      throw new BusbarError('act.refused', `the test call of ${name} is not kept any more: ask again`)
    if (test.outcome !== null) return test
    const waited = performance.now() - from
    if (waited > untilBegunMs && (await takeBack(database, asked.id)))
      throw new BusbarError(
        'act.refused',
        `no worker took the test call: is there a live one that calls ${name}? See "busbar workers"`,
      )
    if (waited > untilEndedMs) return test
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}

/** Whether nobody had begun it. */
async function takeBack(database: Database, id: number): Promise<boolean> {
  const rows = await database.query({
    text: `UPDATE system_tests SET ended_at = clock_timestamp(), outcome = 'not-made', message = 'no worker took it'
           WHERE id = $1::bigint AND worker IS NULL AND ended_at IS NULL RETURNING id`,
    values: [id],
  })
  return rows.length > 0
}

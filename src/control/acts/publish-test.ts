import { randomUUID } from 'node:crypto'
import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { Declared } from '../declared.ts'
import type { TestEvent } from '../schema/test-event.ts'

/** What is asked for. */
export interface TestEventAct {
  readonly type: string
  readonly data?: unknown
  readonly id?: string | undefined
  readonly source?: string | undefined
  readonly subject?: string | undefined
  readonly dryRun: boolean
  readonly reason?: string | undefined
  readonly actor: string
}

/**
 * Checks an event as the door does and, unless it is a dry run, publishes it, marked as a test, with its audit row. Throws
 * what the door throws, and `act.refused` where this process declares no event types.
 */
export async function publishTest(
  database: Database,
  declared: Declared | undefined,
  { dryRun, reason, actor, ...act }: TestEventAct,
): Promise<TestEvent> {
  if (!declared) throw new BusbarError('act.refused', 'this process has no configuration with event types')
  const { type, data = null, subject, id = `test-${randomUUID()}`, source = 'urn:busbar:console' } = act
  const event = { type, data, id, source, subject }
  const done = dryRun
    ? { ...(await declared.check(event)), seq: null, duplicate: false }
    : await declared.publish(event)
  if (!dryRun)
    await database.query({
      text: `INSERT INTO audit (actor, verb, object, reason, after) VALUES ($1, 'publish test', $2, $3, $4::jsonb)`,
      values: [actor, `event ${done.seq}`, reason ?? null, JSON.stringify({ type, source, id })],
    })
  const flows = declared.types.find((each) => each.type === type)?.consumers.map(({ flow }) => flow) ?? []
  return { id, source, key: done.key, seq: done.seq, duplicate: done.duplicate, flows }
}

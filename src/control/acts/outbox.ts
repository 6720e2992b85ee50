import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { RejectedActed, RejectedRetried, RetryManyRejectedBody } from '../schema/outbox.ts'

/** What a person does with a rejected row of the outbox. */
export interface RejectedAct {
  readonly id: number
  readonly verb: 'retry' | 'discard'
  /** Other data for a retry, JSON text. */
  readonly data?: string | undefined
  /** Stands in the audit trail. */
  readonly actor: string
  readonly reason: string | null
}

/**
 * Puts a rejected row back at the end of the outbox, or ends it for good, with its audit row, which keeps data that would
 * be lost. Throws `request.not-found` when there is no such row, also when somebody else was quicker.
 */
export async function actOnRejected(database: Database, act: RejectedAct): Promise<RejectedActed> {
  const { id, verb, data, actor, reason } = act
  const [row] = await database.query<{ done: boolean }>({
    text: 'SELECT act_on_rejected($1, $2, $3, $4, $5) AS done',
    values: [id, verb, data ?? null, actor, reason],
  })
  if (!row?.done) throw missingRejected(id)
  return { id, state: verb === 'retry' ? 'waiting' : 'discarded' }
}

/** Puts back the rejected rows of a type, of a code, or all, oldest first, each with its audit row, in one transaction. */
export async function retryManyRejected(
  database: Database,
  { type, code, upTo, limit, reason }: RetryManyRejectedBody,
  actor: string,
): Promise<RejectedRetried> {
  const [row] = await database.query<RejectedRetried>({
    text: 'SELECT retry_rejected($1, $2, $3, $4, $5, $6) AS retried',
    values: [type ?? null, code ?? null, upTo, limit, actor, reason ?? null],
  })
  return { retried: row?.retried ?? 0 }
}

/** There is none, or none any more. */
export function missingRejected(id: number): BusbarError {
  return new BusbarError(
    'request.not-found',
    `the outbox has no rejected row ${id}: look among them, or in the audit trail for who has retried or discarded it`,
  )
}

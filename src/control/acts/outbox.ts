import { BusbarError } from '../../errors.ts'
import type { Redaction } from '../../define/redaction.ts'
import { redacted } from '../../define/secrets.ts'
import type { Database } from '../../journal/database.ts'
import { parseExactly } from '../exact-json.ts'
import { findRejected } from '../queries/outbox.ts'
import { shownText } from '../redact.ts'
import type { RejectedActed, RejectedRetried, RejectedRow, RetryManyRejectedBody } from '../schema/outbox.ts'

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
 * be lost, as far as they may be shown. What is hidden in other data stays as it was. Throws `request.not-found` when there is no such row, also when somebody else was quicker.
 */
export async function actOnRejected(
  database: Database,
  redaction: Redaction,
  act: RejectedAct,
): Promise<RejectedActed> {
  const { id, verb, actor, reason } = act
  const rejected = await findRejected(database, id)
  if (!rejected) throw missingRejected(id)
  const data = act.data === undefined ? undefined : restored(redaction, rejected, act.data)
  const shown = {
    before: shownText(redaction, rejected.type, rejected.data),
    ...(data !== undefined && { after: shownText(redaction, rejected.type, data) }),
  }
  const [row] = await database.query<{ done: boolean }>({
    text: 'SELECT act_on_rejected($1, $2, $3, $4, $5, $6::jsonb) AS done',
    values: [id, verb, data ?? null, actor, reason, JSON.stringify(shown)],
  })
  if (!row?.done) throw missingRejected(id)
  return { id, state: verb === 'retry' ? 'waiting' : 'discarded' }
}

/** Only what says that something is hidden is written anew; all else stays as it was typed. */
function restored(redaction: Redaction, { type, data }: RejectedRow, edited: string): string {
  if (!edited.includes(redacted)) return edited
  return JSON.stringify(redaction.restore(type, parseExactly(edited), exactlyOrText(data)))
}

/** A row may have been rejected because it is no JSON. */
function exactlyOrText(data: string): unknown {
  try {
    return parseExactly(data)
  } catch {
    return data
  }
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

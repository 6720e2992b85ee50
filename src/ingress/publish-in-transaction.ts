import { randomUUID } from 'node:crypto'
import type { EventContract } from '../define/event.ts'
import { httpSettings } from '../define/http-config.ts'
import { redactionOf } from '../define/redaction.ts'
import { acceptEvent } from './event-input.ts'
import { jsonOf } from './json-of.ts'
import type { PublishOptions } from './publish.ts'
import type { Transaction } from './transaction.ts'
import { statementsOf } from './transaction.ts'

/** The transaction that decides whether the event becomes real. */
export interface TransactionOptions {
  /** The caller's open transaction on the journal's PostgreSQL: of `pg`, Kysely, Drizzle or Prisma. */
  readonly tx: Transaction
}

/** What a publisher without a hub may say. */
export interface PublishInTransactionOptions extends PublishOptions, TransactionOptions {
  /** The journal's schema; default `'busbar'`. */
  readonly schema?: string
  /** Most bytes of data as JSON, default 1 MiB; the relay refuses more than its own `http.maxBodyBytes`. */
  readonly maxDataBytes?: number
  /** Deepest nesting of the data, default 64; the relay refuses more than its own `http.maxDepth`. */
  readonly maxDepth?: number
}

/** The event that will be there when the transaction has committed. Its place in the log is not known yet. */
export interface PublishedInTransaction {
  readonly id: string
}

const defaultSource = 'urn:busbar:outbox'

/**
 * Publishes an event as part of the caller's own transaction, without a hub in this process: when `tx` commits, busbar moves
 * it into the log, by default within 50 ms while events flow and within a second otherwise; when it rolls back, the event
 * has never been. Events of one key keep the order of these calls as long as the transactions that publish them do not overlap; where
 * they may, lock the object's row first. Throws `event.invalid` or `event.too-large` before anything is sent,
 * `config.invalid` when `tx` is no open transaction; errors of the database are the library's own, and end `tx`. The role
 * of `tx` needs `busbar.grant_publish` and nothing else.
 *
 * @example
 * await db.transaction().execute(async (trx) => {
 *   await trx.insertInto('orders').values(order).execute()
 *   await publishInTransaction(orderPlaced, order, { tx: trx, id: `${order.number}-1` })
 * })
 */
export async function publishInTransaction<Type extends string, In, Out>(
  contract: EventContract<Type, In, Out>,
  data: In,
  options: PublishInTransactionOptions,
): Promise<PublishedInTransaction> {
  const run = statementsOf(options.tx)
  const { text, value } = jsonOf(data, { http: limits(options) })
  const id = options.id ?? randomUUID()
  const source = options.source ?? defaultSource
  const { subject, time }: PublishOptions = options
  const extensions: Readonly<Record<string, string>> = options.extensions ?? {}
  const contracts = new Map([[contract.type, contract]])
  const event = await acceptEvent(
    { id, source, type: contract.type, subject, time, extensions, data: text, value },
    { contracts, allowUnknownTypes: false, redaction: redactionOf({ contracts, redact: [] }) },
  )
  const { partitionkey: _, ...others } = extensions // it is the key by now
  const attributes = {
    ...others,
    ...(subject !== undefined && { subject }),
    ...(time !== undefined && { time }),
  }
  // No key is the empty one here: not every driver can say null in every place.
  const values = [event.type, event.key ?? '', text, id, source, JSON.stringify(attributes)]
  await run(publishText(options.schema ?? 'busbar'), values)
  return { id }
}

/** Every parameter with its type, so that no driver has to guess; the data by itself, since only text keeps them as they are. */
function publishText(schema: string): string {
  const name = `"${schema.replaceAll('"', '""')}".publish`
  return `SELECT ${name}($1::text, $2::text, $3::text, $4::text, $5::text, NULL, $6::text::jsonb) AS id`
}

function limits({ maxDataBytes, maxDepth }: PublishInTransactionOptions) {
  return httpSettings({
    ...(maxDataBytes !== undefined && { maxBodyBytes: maxDataBytes }),
    ...(maxDepth !== undefined && { maxDepth }),
  })
}

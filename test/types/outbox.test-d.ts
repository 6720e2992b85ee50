/** Checked by `npm run types`, as declarations.test-d.ts is. */
import type { NodePgDatabase } from 'drizzle-orm/node-postgres'
import type { Transaction as KyselyTransaction } from 'kysely'
import type pg from 'pg'
import { z } from 'zod'
import { createHub, defineConfig, defineEvent, publishInTransaction } from '../../src/index.ts'
import type { Published, PublishedInTransaction, Transaction } from '../../src/index.ts'

const placed = defineEvent({ type: 'order.placed', schema: z.object({ number: z.string() }) })
const hub = createHub(defineConfig({ flows: [], events: [placed] }))

/** The transactions of the libraries are taken as they are. */
type DrizzleTransaction = Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0]
export const taken = (
  client: pg.Client,
  pooled: pg.PoolClient,
  kysely: KyselyTransaction<unknown>,
  drizzle: DrizzleTransaction,
): readonly Transaction[] => [client, pooled, kysely, drizzle]

/** What publish answers follows from whether it is given a transaction. */
export async function answers(
  tx: Transaction,
): Promise<{ inTransaction: PublishedInTransaction; alone: Published }> {
  const inTransaction = await hub.publish(placed, { number: 'A' }, { tx })
  // @ts-expect-error -- its place in the log is not known yet
  void inTransaction.seq
  const alone = await hub.publish(placed, { number: 'A' }, { id: 'a' })
  return { inTransaction, alone }
}

/** Data are what the contract says, and without a transaction there is none. */
export async function refusals(tx: Transaction): Promise<void> {
  // @ts-expect-error -- a number is text
  await publishInTransaction(placed, { number: 7 }, { tx })
  // @ts-expect-error -- there is no transaction
  await publishInTransaction(placed, { number: 'A' }, {})
  // @ts-expect-error -- that is none
  await publishInTransaction(placed, { number: 'A' }, { tx: {} })
}

import { BusbarError } from '../errors.ts'

/** Anything with the query method of a `pg` client: `query(text, values)`. */
export interface PgTransaction {
  query(text: string, values: unknown[]): Promise<unknown>
}

/** A Kysely transaction: what `db.transaction().execute` hands out. */
export interface KyselyTransaction {
  readonly isTransaction: boolean
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- its parameter is Kysely's own class; a compiled query is built by structure
  executeQuery(query: any): Promise<unknown>
}

/** A Drizzle transaction on PostgreSQL: what `db.transaction` hands out. */
export interface DrizzleTransaction {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- its parameter is Drizzle's own class; a query is built by structure
  execute(query: any): PromiseLike<unknown>
  rollback(): never
}

/** A Prisma interactive transaction: what `prisma.$transaction(async (tx) => …)` hands out. */
export interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
}

/** A transaction that the caller has opened and will commit, of any of these libraries. */
export type Transaction = PgTransaction | KyselyTransaction | DrizzleTransaction | PrismaTransaction

/** Runs one statement with `$1`-parameters inside the transaction. */
export type RunInTransaction = (text: string, values: readonly string[]) => PromiseLike<unknown>

/**
 * How to run a statement in this transaction, recognised by its structure: none of the libraries is needed by busbar.
 * Throws `config.invalid` for what is no transaction, and for what surely has none open (a pool, a whole database, a client before
 * BEGIN), where the event would be real at once.
 */
export function statementsOf(tx: unknown): RunInTransaction {
  const known = kysely(tx) ?? prisma(tx) ?? drizzle(tx) ?? pg(tx)
  if (known) return known
  throw new BusbarError(
    'config.invalid',
    'tx is no transaction that busbar knows: give a pg client, or the tx of Kysely, Drizzle or Prisma',
  )
}

function kysely(tx: unknown): RunInTransaction | undefined {
  if (!has(tx, 'executeQuery')) return undefined
  const transaction = tx as KyselyTransaction
  if (!transaction.isTransaction)
    notOpen('a Kysely database', 'give the trx of db.transaction().execute(async (trx) => …)')
  return (text, values) =>
    transaction.executeQuery({
      sql: text,
      parameters: values,
      query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
      queryId: { queryId: 'busbar-publish' },
    })
}

function prisma(tx: unknown): RunInTransaction | undefined {
  if (!has(tx, '$queryRawUnsafe')) return undefined
  if (has(tx, '$connect')) notOpen('a Prisma client', 'give the tx of prisma.$transaction(async (tx) => …)')
  return (text, values) => (tx as PrismaTransaction).$queryRawUnsafe(text, ...values)
}

/** What Drizzle asks of a query is `getSQL()`, and of its answer `toQuery()`: text and parameters, which its driver takes as they are. */
function drizzle(tx: unknown): RunInTransaction | undefined {
  if (!has(tx, 'execute') || !has(tx, 'transaction')) return undefined
  if (!has(tx, 'rollback')) notOpen('a Drizzle database', 'give the tx of db.transaction(async (tx) => …)')
  return (text, values) => {
    const query = { getSQL: () => query, toQuery: () => ({ sql: text, params: [...values] }) }
    return (tx as DrizzleTransaction).execute(query)
  }
}

function pg(tx: unknown): RunInTransaction | undefined {
  if (!has(tx, 'query')) return undefined
  if ('totalCount' in tx && 'idleCount' in tx)
    notOpen('a pool', 'take a client of it with connect(), and BEGIN')
  if (has(tx, 'getTransactionStatus') && (tx as PgClientState).getTransactionStatus() === 'I')
    notOpen('a client without a transaction', 'BEGIN first, and await it')
  return (text, values) => (tx as PgTransaction).query(text, [...values])
}

interface PgClientState {
  getTransactionStatus(): string | null
}

function notOpen(what: string, instead: string): never {
  throw new BusbarError(
    'config.invalid',
    `tx is ${what}: the event would be real at once, whatever becomes of your transaction; ${instead}`,
  )
}

function has(tx: unknown, method: string): tx is object {
  return (
    ((typeof tx === 'object' && tx !== null) || typeof tx === 'function') &&
    typeof (tx as Record<string, unknown>)[method] === 'function'
  )
}

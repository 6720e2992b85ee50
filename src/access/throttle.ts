import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { BusbarError } from '../errors.ts'
import type { Database } from '../journal/database.ts'

/** Tries that pass at once: of one account, and from one address. */
const free = { account: 5, address: 20 }
/** The first wait, which each further try doubles, and the longest; each longest without a try forgets one. */
const waitSeconds = { first: 15, longest: 900 }

/** A try to sign in: who, and from where. */
export interface Try {
  readonly account: string
  readonly address: string
}

/**
 * Counts a try before it is made, in the database, so that no number of processes or parallel requests gets more; throws
 * `request.rate-limited` with `retryAfterSeconds` when it must wait. Names that do not exist count like those that do.
 */
export async function countTry(database: Database, { account, address }: Try): Promise<void> {
  await count(database, {
    buckets: [accountBucket(account), addressBucket(address)],
    free: [free.account, free.address],
    ...waitSeconds,
  })
}

/** Redirects to the provider from one address that pass at once, and how long others wait: each stores a row. */
const redirects = { free: [20], first: 5, longest: 60 }

/** Counts a redirect to single sign-on; throws `request.rate-limited` as `countTry` does. */
export function countRedirect(database: Database, address: string): Promise<void> {
  return count(database, { buckets: [`oidc ${addressBucket(address)}`], ...redirects })
}

/** Somebody came back from there signed in. */
export async function forgetRedirects(database: Database, address: string): Promise<void> {
  await database.query({
    text: "SELECT forget_sign_in($1, '')",
    values: [`oidc ${addressBucket(address)}`],
  })
}

interface Count {
  readonly buckets: readonly string[]
  readonly free: readonly number[]
  readonly first: number
  readonly longest: number
}

async function count(database: Database, { buckets, free, first, longest }: Count): Promise<void> {
  const [row] = await database.query<{ wait: number }>({
    text: 'SELECT count_sign_in($1, $2, $3, $4) AS wait',
    values: [buckets, free, first, longest],
  })
  const wait = row?.wait ?? 0
  if (wait > 0)
    throw new BusbarError('request.rate-limited', `too many tries: the next one counts in ${inWords(wait)}`, {
      details: { retryAfterSeconds: wait },
    })
}

/** An account under attack leaves an entry in the audit trail at most so often. */
const noteEverySeconds = 3_600

/**
 * A try has failed. As many as pass at once, since the user came in or since the last entry, make an entry in the audit
 * trail: which user, how many tries, from where the last one came; never what was tried. Without a user nothing is left.
 */
export async function noteFailed(
  database: Database,
  userId: number | undefined,
  address: string,
): Promise<void> {
  await database.query({
    text: 'SELECT note_failed_sign_in($1, $2, $3, $4)',
    values: [userId ?? null, free.account, noteEverySeconds, address],
  })
}

/** The try succeeded: it does not count. */
export async function forgetTry(database: Database, { account, address }: Try): Promise<void> {
  await database.query({
    text: 'SELECT forget_sign_in($1, $2)',
    values: [accountBucket(account), addressBucket(address)],
  })
}

function inWords(seconds: number): string {
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`
}

/** Hashed: what is typed as a name may be anything, even a password. */
function accountBucket(account: string): string {
  return `account ${createHash('sha256').update(account).digest('hex')}`
}

/** Of IPv6 the network: one machine has all addresses of it. */
function addressBucket(address: string): string {
  return `address ${isIPv6(address) && !address.startsWith('::ffff:') ? network(address) : address}`
}

function network(address: string): string {
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter(Boolean)
  const after = tail === undefined ? [] : tail.split(':').filter(Boolean)
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - after.length) }, () => '0')
  return [...groups, ...(tail === undefined ? [] : zeros), ...after].slice(0, 4).join(':')
}

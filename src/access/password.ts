import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { BusbarError } from '../errors.ts'

/** What one hash costs: 64 MiB of memory, and about a third of a second. Stored with each hash, so that it can rise. */
const cost = { ln: 16, r: 8, p: 2 }
const hashBytes = 32
/** Hashes under way at once: each takes its memory, and more would only slow each other down. */
const atOnce = 2
/** Tries that wait for their turn; more are told to come again. */
const mostWaiting = 30

export const passwordLength = { least: 12, most: 200 }
const tooCommon = ['password', 'passwort', 'qwertyui', '12345678', 'busbar', 'letmein', 'administrator']

/** Why a password is not taken, as a sentence; undefined: it is. Length counts most; nothing is asked of its characters. */
export function weakness(password: string, name: string): string | undefined {
  const { least, most } = passwordLength
  const plain = password.normalize('NFKC').toLowerCase()
  if (password.length < least) return `a password has at least ${least} characters`
  if (password.length > most) return `a password has at most ${most} characters`
  if (name.length > 2 && plain.includes(name)) return 'a password does not contain the name'
  if (new Set(plain).size < 5) return 'a password has at least five different characters'
  const rest = tooCommon.reduce((text, word) => text.replaceAll(word, ''), plain)
  if (rest.length < least / 2) return 'this is one of the first passwords that anybody tries'
  return undefined
}

/** `$scrypt$ln=16,r=8,p=2$<salt>$<hash>`, with a salt of its own. Rejects with `overloaded` when too many wait. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, cost)
  return write(cost, salt, hash)
}

/**
 * Whether this is the password of the hash. Without a hash, the answer is no and takes the same time. `renew`: the hash was
 * made at a lower cost than is usual now. Rejects with `overloaded` when too many wait.
 */
export async function verifyPassword(
  password: string,
  stored: string | null | undefined,
): Promise<{ readonly right: boolean; readonly renew: boolean }> {
  const known = read(stored ?? dummy)
  const hash = await derive(password, known.salt, known.cost)
  const right = timingSafeEqual(hash, known.hash) && stored !== null && stored !== undefined
  return {
    right,
    renew: right && write(known.cost, known.salt, known.hash) !== write(cost, known.salt, known.hash),
  }
}

interface Cost {
  readonly ln: number
  readonly r: number
  readonly p: number
}

function write({ ln, r, p }: Cost, salt: Buffer, hash: Buffer): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`
}

function read(stored: string): { cost: Cost; salt: Buffer; hash: Buffer } {
  const [, ln, r, p, salt = '', hash = ''] =
    /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w-]+)\$([\w-]{43})$/.exec(stored) ?? []
  if (ln === undefined)
    throw new BusbarError('config.invalid', 'a stored password hash cannot be read: reset that password')
  const costs = { ln: Number(ln), r: Number(r), p: Number(p) }
  return { cost: costs, salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url') }
}

/** Nobody's password, at the usual cost. */
const dummy = write(cost, randomBytes(16), randomBytes(hashBytes))

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  await turn()
  try {
    return await new Promise((resolve, reject) => {
      const options = { N: 2 ** ln, r, p, maxmem: 2 * 128 * 2 ** ln * r }
      scrypt(password.normalize('NFKC'), salt, hashBytes, options, (error, hash) =>
        error ? reject(error) : resolve(hash),
      )
    })
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}

/** Resolves when this one may work; a turn is handed on, so the count stays. */
function turn(): Promise<void> {
  if (running < atOnce) {
    running++
    return Promise.resolve()
  }
  if (waiting.length >= mostWaiting)
    throw new BusbarError('overloaded', 'too many sign-ins at once: try again in a few seconds')
  return new Promise((resolve) => waiting.push(resolve))
}

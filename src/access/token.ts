import { createHash, randomBytes } from 'node:crypto'

/** 256 random bits as text: what a browser or a link holds. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** What is stored of a token; nobody can try 256 bits, so a plain hash is enough. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** Whether a text can be a token at all. */
export function isToken(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text)
}

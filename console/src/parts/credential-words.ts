import type { System } from './system-words.ts'
import { lengthOf } from './time.tsx'

const kinds: Readonly<Record<string, string>> = {
  none: 'none',
  basic: 'user and password',
  bearer: 'bearer token',
  'api-key': 'API key',
  session: 'session',
  'client-credentials': 'client credentials',
}

/** What kind of credentials, in words. */
export function credentialKind(kind: string): string {
  return kinds[kind] ?? kind
}

/** The age of a system's credentials in few words: `renewed 18 min ago`, `12 days left`, `API key, no end known`. */
export function credentialWords({ credentials }: System, now: number): string {
  if (credentials === null) return 'not known yet'
  const { kind, obtainedAt, expiresAt } = credentials
  if (kind === 'none') return 'none'
  if (obtainedAt !== null) return `renewed ${lengthOf(now - Date.parse(obtainedAt))} ago`
  if (expiresAt === null) return `${credentialKind(kind)}, no end known`
  const left = Date.parse(expiresAt) - now
  return left > 0 ? `${lengthOf(left)} left` : `ended ${lengthOf(left)} ago`
}

/** What stands in the place of a value that must not be shown: neither its type nor its length is told. */
export const redacted = '[redacted]'

/** Fetched tokens replace each other, in all their spellings; what was declared stays. */
const mostFetched = 1_000
const declared = new Set<string>()
const fetched = new Set<string>()

/**
 * Keeps a credential out of everything that leaves the process: `withoutSecrets` takes it out of texts, as it is and as
 * JSON, URLs and base64 write it. Too short (below 8 characters), without a letter, or a plain word in small letters, it
 * is not looked for: it could not be told from ordinary text. `isFetched`: it is one of a row that replace each other,
 * of which the newest are kept.
 */
export function keepSecret(secret: string | undefined, { isFetched = false } = {}): void {
  if (secret === undefined || secret.length < 8 || !/[a-z]/i.test(secret) || /^[a-z]+$/.test(secret)) return
  const place = isFetched ? fetched : declared
  for (const form of formsOf(secret)) {
    place.delete(form)
    place.add(form)
  }
  for (const oldest of fetched) {
    if (fetched.size <= mostFetched) break
    fetched.delete(oldest)
  }
}

/** The password of a URL such as a database's. */
export function keepSecretOfUrl(url: string): void {
  const { password } = URL.canParse(url) ? new URL(url) : { password: '' }
  keepSecret(password)
  try {
    keepSecret(decodeURIComponent(password))
  } catch {
    // it is no escape, and was kept as it is
  }
}

/** The text with every credential of this process replaced. */
export function withoutSecrets(text: string): string {
  let result = text
  for (const kept of [declared, fetched])
    for (const secret of kept) if (result.includes(secret)) result = result.replaceAll(secret, redacted)
  return result
}

/** What a database says of a value it cannot take, without that value: PostgreSQL quotes it at the end of its message. */
export function withoutQuotedValue(message: string): string {
  return message.replace(/: ".*"/s, ': "…"')
}

function formsOf(secret: string): Set<string> {
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '')
  return new Set([
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
    base64,
    base64.replaceAll('+', '-').replaceAll('/', '_'),
  ])
}

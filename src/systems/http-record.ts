import type { Exchange } from '../define/system.ts'
import type { RawAnswer, RawRequest } from './http-exchange.ts'

/** Names of headers and fields whose values never enter a record, whatever their case and separators. */
const secretNames = [
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'apikey',
  'xapikey',
  'xauthtoken',
  'accesstoken',
  'refreshtoken',
  'idtoken',
  'clientsecret',
  'password',
  'passwd',
  'pwd',
  'secret',
  'token',
  'sessionid',
  'iban',
  'cardnumber',
  'cvv',
  'cvc',
]

const hidden = '[redacted]'
const maxExcerpt = 4_000
const maxParsed = 262_144

/** Tells which names are secret; `extra` names come from the configuration. */
export type Redactor = (name: string) => boolean

/** The built-in names and these. */
export function redactor(extra: readonly string[]): Redactor {
  const names = new Set([...secretNames, ...extra.map(bare)])
  return (name) => names.has(bare(name))
}

function bare(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** What an exchange looked like; the texts are made when somebody reads them, so a success that nobody records costs nothing. */
export class HttpRecord implements Exchange {
  readonly ms: number
  readonly #request: RawRequest
  readonly #answer: RawAnswer | undefined
  readonly #isSecret: Redactor

  constructor(options: {
    readonly request: RawRequest
    readonly answer: RawAnswer | undefined
    readonly ms: number
    readonly isSecret: Redactor
  }) {
    this.ms = options.ms
    this.#request = options.request
    this.#answer = options.answer
    this.#isSecret = options.isSecret
  }

  get status(): number {
    return this.#answer?.status ?? 0
  }

  get request(): string {
    const { method, path, headers, body } = this.#request
    return `${method} ${this.#path(path)}\n${this.#head(headers)}${this.#body(body)}`.slice(0, maxExcerpt)
  }

  get response(): string {
    if (!this.#answer) return ''
    const { status, headers, body, cutOff } = this.#answer
    const text = `${status}\n${this.#head(headers)}${this.#body(body)}`
    return text.slice(0, maxExcerpt) + (cutOff ? '\n[cut off: larger than maxResponseBytes]' : '')
  }

  #path(path: string): string {
    const at = path.indexOf('?')
    if (at < 0) return path
    const query = new URLSearchParams(path.slice(at + 1))
    for (const name of new Set(query.keys())) if (this.#isSecret(name)) query.set(name, hidden)
    return `${path.slice(0, at)}?${query}`
  }

  #head(headers: Readonly<Record<string, string | string[] | undefined>>): string {
    let text = ''
    for (const [name, value] of Object.entries(headers))
      text += `${name}: ${this.#isSecret(name) ? hidden : String(value)}\n`
    return text
  }

  #body(body: string | Buffer | undefined): string {
    if (body === undefined || body.length === 0) return ''
    const text = typeof body === 'string' ? body : body.subarray(0, maxParsed).toString('utf8')
    return `\n${this.#redacted(text)}`
  }

  /** JSON is redacted by field; in other text, and in JSON too large to parse, what looks like `name=value` or `"name":"value"`. */
  #redacted(text: string): string {
    if (text.length <= maxParsed) {
      try {
        return JSON.stringify(JSON.parse(text), (name, value: unknown) =>
          name !== '' && this.#isSecret(name) ? hidden : value,
        )
      } catch {
        // not JSON
      }
    }
    return text
      .slice(0, maxExcerpt)
      .replace(/([\w-]+)("?\s*[=:]\s*"?)([^&\s",<]+)/g, (whole, name: string, between: string) =>
        this.#isSecret(name) ? `${name}${between}${hidden}` : whole,
      )
  }
}

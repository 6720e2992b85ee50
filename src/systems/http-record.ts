import type { Conceal } from '../define/conceal.ts'
import { mapMarked } from '../define/marked-fields.ts'
import type { FieldRules } from '../define/redaction.ts'
import { redacted } from '../define/secrets.ts'
import type { Exchange } from '../define/system.ts'
import { withoutQuery } from './http-address.ts'
import type { RawAnswer, RawRequest } from './http-exchange.ts'

const maxExcerpt = 4_000
const maxParsed = 262_144

/** What a record is made of. */
export interface HttpRecordOf {
  readonly request: RawRequest
  readonly answer: RawAnswer | undefined
  readonly ms: number
  readonly rules: FieldRules
  /** Headers of the request that prove who is calling. */
  readonly credentials: Readonly<Record<string, string>>
  readonly attempt: { readonly conceal: Conceal }
}

/** What an exchange looked like; the texts are made when somebody reads them, so a success that nobody records costs nothing. */
export class HttpRecord implements Exchange {
  readonly #of: HttpRecordOf

  constructor(of: HttpRecordOf) {
    this.#of = of
  }

  get ms(): number {
    return this.#of.ms
  }

  get status(): number {
    return this.#of.answer?.status ?? 0
  }

  /** Without the query, whose values may be anybody's. */
  get call(): { readonly method: string; readonly path: string } {
    const { method, path } = this.#of.request
    return { method, path: this.#of.attempt.conceal(withoutQuery(path)) }
  }

  get request(): string {
    const { method, path, headers, body } = this.#of.request
    const text = `${method} ${this.#path(path)}\n${this.#head(headers)}${this.#body(body)}`
    return this.#of.attempt.conceal(text).slice(0, maxExcerpt)
  }

  get response(): string {
    if (!this.#of.answer) return ''
    const { status, headers, body, cutOff } = this.#of.answer
    const text = `${status}\n${this.#head(headers)}${this.#body(body)}`
    return (
      this.#of.attempt.conceal(text).slice(0, maxExcerpt) +
      (cutOff ? '\n[cut off: larger than maxResponseBytes]' : '')
    )
  }

  #path(path: string): string {
    const at = path.indexOf('?')
    if (at < 0) return path
    const query = new URLSearchParams(path.slice(at + 1))
    for (const name of new Set(query.keys())) if (this.#of.rules.isSecret(name)) query.set(name, redacted)
    return `${path.slice(0, at)}?${query}`
  }

  #head(headers: Readonly<Record<string, string | string[] | undefined>>): string {
    let text = ''
    for (const [name, value] of Object.entries(headers))
      text += `${name}: ${this.#of.rules.isSecret(name) || Object.hasOwn(this.#of.credentials, name) ? redacted : String(value)}\n`
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
        const { paths, isSecret } = this.#of.rules
        return JSON.stringify(
          mapMarked(JSON.parse(text), paths, { isMarked: isSecret, change: () => redacted }),
        )
      } catch {
        // not JSON
      }
    }
    return text
      .slice(0, maxExcerpt)
      .replace(/([\w-]+)("?\s*[=:]\s*"?)([^&\s",<]+)/g, (whole, name: string, between: string) =>
        this.#of.rules.isSecret(name) ? `${name}${between}${redacted}` : whole,
      )
  }
}

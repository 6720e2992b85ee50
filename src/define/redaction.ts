import { BusbarError } from '../errors.ts'
import type { Conceal } from './conceal.ts'
import { concealing, leavesOf } from './conceal.ts'
import type { AnyContract } from './event.ts'
import type { FieldPath, NameRule } from './marked-fields.ts'
import { isObject, mapMarked, parseFieldPath } from './marked-fields.ts'
import { restoreMarked } from './restore-marked.ts'
import { redacted } from './secrets.ts'

/** Names of headers and fields whose values are never shown, whatever their case and separators. */
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

/**
 * What must not be shown, and how to keep it from being shown. A field is marked by its contract (`redact`, or
 * `sensitive: true` in its schema), by a path or a name in the configuration's `redact`, or by a name that is secret
 * everywhere. `type` is the event's type, which leads to its contract; undefined or unknown: only names count, and the
 * last names of all marked fields among them.
 */
export interface Redaction {
  /** Whether the value of a header or field of this name is never shown. */
  readonly isSecret: NameRule
  /**
   * A text that is no JSON, or was cut off: values of fields with a marked name in it, written `name: value` or
   * `name=value`, say `[redacted]`.
   */
  unread(text: string, type?: string): string
  /** A copy of an event's data in which marked fields say `[redacted]`. */
  data(type: string | undefined, data: unknown): unknown
  /**
   * Takes the values of the marked fields of an event's data out of texts that tell of it (requests, answers, messages),
   * and the credentials of this process; `more`: results of steps and the like, whose fields count by their names.
   */
  conceal(type: string | undefined, data: unknown, ...more: readonly unknown[]): Conceal
  /** The same for every text inside a value, and fields with secret names replaced; other values stay as they are. */
  concealIn(value: unknown, conceal: Conceal): unknown
  /**
   * What a person has made of shown data, with `[redacted]` put back to what it was; throws `request.invalid` where it is
   * not clear what that is.
   */
  restore(type: string, edited: unknown, original: unknown): unknown
}

/** What the configuration's `redact` says of any value: names wherever they are, and paths from its root. */
export interface FieldRules {
  readonly isSecret: NameRule
  readonly paths: readonly FieldPath[]
}

/** The built-in names and these entries. Throws `config.invalid` for what is no path. */
export function fieldRules(redact: readonly string[]): FieldRules {
  const isPath = (entry: string) => /[.[*]/.test(entry)
  return {
    isSecret: secretName(redact.filter((entry) => !isPath(entry))),
    paths: redact.filter(isPath).map((entry) => parseFieldPath('redact', entry)),
  }
}

/** The rules of a configuration. Throws `config.invalid` for what is no path. */
export function redactionOf(options: {
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly redact: readonly string[]
}): Redaction {
  const { isSecret, paths: everywhere } = fieldRules(options.redact)
  const ofTypes = new Map(
    [...options.contracts].map(([type, { marked }]) => [type, [...marked, ...everywhere]]),
  )
  const anyType: FieldPath[] = [...new Set([...ofTypes.values(), everywhere].flat().map(lastName))].flatMap(
    (name) => (name === undefined ? [] : [['**', name]]),
  )
  const pathsOf = (type: string | undefined) =>
    (type === undefined ? undefined : ofTypes.get(type)) ?? anyType
  const withMarks = (paths: readonly FieldPath[], value: unknown, change: (value: unknown) => unknown) =>
    mapMarked(value, paths, { isMarked: isSecret, change })
  const hide = () => redacted
  return {
    isSecret,
    unread(text, type) {
      const names = new Set(pathsOf(type).map(lastName))
      return withoutNamed(text, (name) => isSecret(name) || names.has(name))
    },
    data: (type, data) => withMarks(pathsOf(type), data, hide),
    conceal(type, data, ...more) {
      const values: string[] = []
      const keep = (value: unknown) => values.push(...leavesOf(value))
      withMarks(pathsOf(type), data, keep)
      for (const each of more) withMarks([], each, keep)
      return concealing(values)
    },
    concealIn: (value, conceal) => concealTexts(withMarks([], value, hide), conceal),
    restore(type, edited, original) {
      const shown = withMarks(pathsOf(type), original, hide)
      const result = restoreMarked({ edited, shown, original })
      if (!('unclear' in result)) return result.value
      throw new BusbarError(
        'request.invalid',
        `${result.unclear} says ${redacted}, and it is not clear which value that was: write the value`,
        { details: { faults: [{ pointer: `/data${result.unclear}`, message: 'is not clear' }] } },
      )
    },
  }
}

function secretName(extra: readonly string[]): NameRule {
  const names = new Set([...secretNames, ...extra.map(bare)])
  return (name) => names.has(bare(name))
}

const names = /([\w-]+)["']?\s*[:=]\s*/g
const valueAt = /"(?:[^"\\]|\\.)*"?|\{[^}]*\}?|\[[^\]]*\]?|[^\s,&;}\]]+/y

/** The values of fields with such names, in a text of whatever kind. */
function withoutNamed(text: string, isMarked: NameRule): string {
  let shown = ''
  let from = 0
  for (const found of text.matchAll(names)) {
    const at = found.index + found[0].length
    if (found.index < from || !isMarked(found[1] ?? '')) continue
    valueAt.lastIndex = at
    if (!valueAt.test(text)) continue
    shown += `${text.slice(from, at)}${redacted}`
    from = valueAt.lastIndex
  }
  return shown + text.slice(from)
}

function bare(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

function lastName(path: FieldPath): string | undefined {
  return path.findLast((part) => part !== '*' && part !== '**')
}

function concealTexts(value: unknown, conceal: Conceal): unknown {
  if (typeof value === 'string') return conceal(value)
  if (typeof value === 'number') return conceal(String(value)) === String(value) ? value : redacted
  if (Array.isArray(value)) return value.map((each) => concealTexts(each, conceal))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, concealTexts(each, conceal)]))
}

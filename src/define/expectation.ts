import { BusbarError } from '../errors.ts'
import type { BusinessHours, Calendar } from './business-hours.ts'
import { calendarOf } from './business-hours.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import type { AnyContract, EventContract } from './event.ts'
import type { FlowStart } from './flow.ts'
import { checkName } from './name.ts'
import type { Range } from './range.ts'
import { inRange } from './range.ts'

/**
 * Which expected event belongs to which that it must follow: the one with the same key (`'key'`), or the one for which
 * both functions give the same text.
 */
export type Match<After, Expected> =
  'key' | { readonly after: (data: After) => string; readonly expected: (data: Expected) => string }

/** Options of an expectation. */
export interface ExpectationOptions<AfterIn, After, Expected> {
  /** The event that opens it. */
  readonly after: EventContract<string, AfterIn, After>
  /** How long after it the expected event may take, at most 400 days: by the journal's clock, from acceptance to acceptance. */
  readonly within: Duration
  /** Default `'key'`. */
  readonly match?: Match<After, Expected>
  /** Opens it only for events of which this is true; default: all. */
  readonly when?: (data: After) => boolean
  /** Only this time counts for `within`; default: all time. */
  readonly calendar?: BusinessHours
  /** An expected event that came at most so long before counts too; default 0: only one that comes after. */
  readonly lookBack?: Duration
  /** Default `<expected> after <after>`, by the types. What is open belongs to the name. */
  readonly name?: string
  /** Where a new expectation begins in the log; default `'now'`. Only matters when it is first registered. */
  readonly start?: FlowStart
}

/** A declared expectation: silence opens a problem. */
export interface Expectation {
  readonly kind: 'expectation'
  readonly name: string
  readonly expected: AnyContract
  readonly after: AnyContract
  readonly withinMs: number
  /** As it was written, for people: `2 h`. */
  readonly withinWords: string
  readonly match:
    'key' | { readonly after: (data: unknown) => unknown; readonly expected: (data: unknown) => unknown }
  readonly when: ((data: unknown) => unknown) | undefined
  readonly calendar: Calendar | undefined
  readonly lookBackMs: number
  readonly start: FlowStart
}

const longestMs = 400 * 86_400_000
/** Open time may be spread over so many years. */
const longestYears = 10

/**
 * Declares that one event must follow another about the same object. When it does not come in time, a problem opens that
 * names the object; when it comes late, the problem resolves itself. Each expected event meets all that is open for its
 * object and was opened before it. To be listed in `defineConfig({ expectations })`.
 *
 * Throws `config.invalid` that names what cannot be meant.
 *
 * @example
 * export const invoiceInTime = expectEvent(invoicePosted, {
 *   after: orderPlaced,
 *   within: '2h',
 *   calendar: { timeZone: 'Europe/Berlin', from: '08:00', to: '17:00' },
 * })
 */
export function expectEvent<ExpectedIn, Expected, AfterIn, After>(
  expected: EventContract<string, ExpectedIn, Expected>,
  options: ExpectationOptions<AfterIn, After, Expected>,
): Expectation {
  checkContracts(expected, options)
  const { after, match = 'key' } = options
  const name = options.name ?? `${expected.type} after ${after.type}`
  if (options.name !== undefined) checkName('expectation name', options.name)
  const what = `expectation "${name}"`
  checkFunctions(what, match, options.when)
  const withinMs = lengthOf(`${what}: within`, options.within, { above: 0 })
  const calendar = options.calendar && calendarOf(`${what}, calendar`, options.calendar)
  if (calendar) checkReach(what, withinMs, calendar)
  return {
    kind: 'expectation',
    name,
    expected,
    after,
    withinMs,
    withinWords: wordsOf(options.within) + (calendar ? ' of business time' : ''),
    match: match as Expectation['match'],
    when: options.when as Expectation['when'],
    calendar,
    lookBackMs: lengthOf(`${what}: lookBack`, options.lookBack ?? 0, { from: 0 }),
    start: options.start ?? 'now',
  }
}

/** TypeScript says the same, but Node runs a configuration without asking it. */
function checkContracts(expected: unknown, options: { readonly after?: unknown } | undefined): void {
  const isContract = (value: unknown) => (value as { kind?: unknown } | undefined)?.kind === 'event'
  if (!isContract(expected))
    throw new BusbarError(
      'config.invalid',
      'expectEvent: the expected event must come from defineEvent({ … })',
    )
  if (!isContract(options?.after))
    throw new BusbarError(
      'config.invalid',
      `expectEvent("${(expected as AnyContract).type}"): "after" must come from defineEvent({ … })`,
    )
}

function checkFunctions(what: string, match: unknown, when: unknown): void {
  const { after, expected } = (match ?? {}) as { after?: unknown; expected?: unknown }
  if (match !== 'key' && (typeof after !== 'function' || typeof expected !== 'function'))
    throw new BusbarError(
      'config.invalid',
      `${what}: "match" must be 'key', or { after, expected } with a function for each`,
    )
  if (when !== undefined && typeof when !== 'function')
    throw new BusbarError('config.invalid', `${what}: "when" must be a function`)
}

/** A duration says what is wrong with it, not where it stands. */
function lengthOf(what: string, duration: Duration, range: Pick<Range, 'above' | 'from'>): number {
  try {
    return inRange(what, durationMs(duration), { ...range, to: longestMs })
  } catch (error) {
    if (!(error instanceof BusbarError) || error.message.startsWith(what)) throw error
    throw new BusbarError(error.code, `${what}: ${error.message}`, { cause: error })
  }
}

/** An hour a week takes long to make up a year. */
function checkReach(what: string, withinMs: number, { days, fromMinute, toMinute }: Calendar): void {
  const weekMs = days.size * (toMinute - fromMinute) * 60_000
  if (withinMs / weekMs <= longestYears * 52) return
  throw new BusbarError(
    'config.invalid',
    `${what}: with this calendar "within" takes more than ${longestYears} years; widen the hours or shorten it`,
  )
}

const units = { ms: 'ms', s: 's', m: 'min', h: 'h', d: 'd' } as const

function wordsOf(duration: Duration): string {
  if (typeof duration === 'number') return `${duration / 1_000} s`
  const [, number = duration, unit = 'ms'] = /^([\d.]+)(ms|s|m|h|d)$/.exec(duration) ?? []
  return `${number} ${units[unit as keyof typeof units]}`
}

import { BusbarError } from '../errors.ts'

/** What a number may be; `above` is excluded, `from` and `to` are not. */
export interface Range {
  readonly above?: number
  readonly from?: number
  readonly to?: number
  readonly whole?: boolean
}

/** The number itself; throws `config.invalid` that names the option, the range and what was given. */
export function inRange(what: string, value: number, range: Range): number {
  const {
    above = Number.NEGATIVE_INFINITY,
    from = Number.NEGATIVE_INFINITY,
    to = Infinity,
    whole = false,
  } = range
  const isNumber = typeof value === 'number' && (whole ? Number.isSafeInteger(value) : Number.isFinite(value))
  if (isNumber && value > above && value >= from && value <= to) return value
  const bounds = [
    ...(range.above === undefined ? [] : [`greater than ${range.above}`]),
    ...(range.from === undefined ? [] : [`at least ${range.from}`]),
    ...(range.to === undefined ? [] : [`at most ${range.to}`]),
  ]
  const kind = whole ? 'a whole number' : 'a number'
  throw new BusbarError(
    'config.invalid',
    `${what} must be ${[kind, bounds.join(' and ')].join(' ').trim()}, not ${shown(value)}`,
  )
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

import { BusbarError } from '../errors.ts'

/** A day of the week. */
export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'

/** When somebody is there: only this time counts. */
export interface BusinessHours {
  /** An IANA time zone: `'Europe/Berlin'`. */
  readonly timeZone: string
  /** Default: Monday to Friday. */
  readonly days?: readonly Weekday[]
  /** Local time at which a day opens, `'HH:MM'`; default `'00:00'`. */
  readonly from?: string
  /** Local time at which it closes, later than `from`; default `'24:00'`. */
  readonly to?: string
  /** Local dates on which nobody is there: `'2026-12-25'`. */
  readonly holidays?: readonly string[]
}

/** The same, checked, with defaults filled in. */
export interface Calendar {
  readonly timeZone: string
  /** 0 is Sunday. */
  readonly days: ReadonlySet<number>
  /** Minutes since midnight, local time. */
  readonly fromMinute: number
  readonly toMinute: number
  /** As `YYYY-MM-DD`. */
  readonly holidays: ReadonlySet<string>
}

const weekdays: readonly Weekday[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Checks business hours; throws `config.invalid` that names `what` and the culprit. */
export function calendarOf(what: string, hours: BusinessHours): Calendar {
  const told = (problem: string) => new BusbarError('config.invalid', `${what}: ${problem}`)
  const { timeZone, days = ['mon', 'tue', 'wed', 'thu', 'fri'], holidays = [] } = hours
  if (!isTimeZone(timeZone))
    throw told(`${shown(timeZone)} is not a time zone: write one such as 'Europe/Berlin'`)
  if (!isList(days) || days.length === 0) throw told('"days" must name at least one day of the week')
  for (const day of days)
    if (!weekdays.includes(day))
      throw told(`${shown(day)} is not a day of the week: those are ${weekdays.join(', ')}`)
  const fromMinute = minuteOf(hours.from ?? '00:00')
  const toMinute = minuteOf(hours.to ?? '24:00')
  if (fromMinute === undefined) throw told(`"from" must be a time such as '08:00', not ${shown(hours.from)}`)
  if (toMinute === undefined) throw told(`"to" must be a time such as '17:00', not ${shown(hours.to)}`)
  if (toMinute <= fromMinute)
    throw told(
      `it closes at ${hours.to ?? '24:00'}, which is not later than ${hours.from ?? '00:00'}: hours over midnight are two days`,
    )
  if (!isList(holidays)) throw told('"holidays" must be an array of dates, if only []')
  for (const date of holidays)
    if (!isDate(date)) throw told(`holiday ${shown(date)} is not a date such as '2026-12-25'`)
  return {
    timeZone,
    days: new Set(days.map((day) => weekdays.indexOf(day))),
    fromMinute,
    toMinute,
    holidays: new Set(holidays),
  }
}

/** Array.isArray would take the type of the elements away. */
function isList(value: unknown): boolean {
  return Array.isArray(value)
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}

function isTimeZone(timeZone: unknown): boolean {
  if (typeof timeZone !== 'string' || timeZone === '') return false
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return true
  } catch {
    return false // a RangeError is its way to say that there is no such zone
  }
}

function minuteOf(time: unknown): number | undefined {
  const [, hour = '', minute = ''] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(String(time)) ?? []
  const minutes = Number(hour) * 60 + Number(minute)
  return hour === '' || minutes > 1_440 ? undefined : minutes
}

/** A day that there is: Date.parse takes 30 February for 2 March. */
function isDate(date: unknown): boolean {
  if (typeof date !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(date)) return false
  const time = Date.parse(`${date}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date)
}

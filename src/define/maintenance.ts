import type { Calendar } from './business-hours.ts'

/** The same as it is kept in the journal, as JSON. */
export interface StoredCalendar {
  readonly timeZone: string
  readonly days: readonly number[]
  readonly fromMinute: number
  readonly toMinute: number
}

/** Calendars as they are kept in the journal. Days on which nobody is there do not matter to maintenance. */
export function storedCalendars(calendars: readonly Calendar[]): StoredCalendar[] {
  return calendars.map(({ timeZone, days, fromMinute, toMinute }) => ({
    timeZone,
    days: [...days],
    fromMinute,
    toMinute,
  }))
}

interface Window {
  readonly timeZone: string
  readonly days: Iterable<number>
  readonly fromMinute: number
  readonly toMinute: number
}

const minuteMs = 60_000
const dayMs = 1_440 * minuteMs

/**
 * How long the declared maintenance that is under way at `now` (milliseconds since 1970) goes on; 0 when there is none.
 * An hour that the clock skips or repeats at its end is noticed when it comes: asked again, it answers anew. Pure.
 */
export function maintenanceMs(windows: readonly Window[], now: number): number {
  return windows.reduce((longest, window) => Math.max(longest, leftOf(window, now)), 0)
}

function leftOf({ timeZone, days, fromMinute, toMinute }: Window, now: number): number {
  const local = localTime(timeZone, now)
  const day = new Date(Math.floor(local / dayMs) * dayMs).getUTCDay()
  const sinceMidnight = local % dayMs
  const isOpen = sinceMidnight >= fromMinute * minuteMs && sinceMidnight < toMinute * minuteMs
  return isOpen && [...days].includes(day) ? toMinute * minuteMs - sinceMidnight : 0
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** The local wall clock as if it were UTC, in milliseconds since 1970. */
function localTime(timeZone: string, now: number): number {
  let format = formats.get(timeZone)
  if (!format) {
    const numeric = 'numeric'
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    })
    formats.set(timeZone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, Number(value)]))
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

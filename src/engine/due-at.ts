import type { Calendar } from '../define/business-hours.ts'

const dayMs = 86_400_000
const minuteMs = 60_000
/** Far enough from UTC to hold a local day wherever it is, and the change of clock before it. */
const marginMs = 15 * 3_600_000
/** A declaration that takes longer is refused: see `expectEvent`. */
const mostDays = 25 * 366

/**
 * When `withinMs` of time have passed since `since`, counting only the time in which the calendar is open; all of it
 * without a calendar. Milliseconds since 1970. An instant is open if its local date and time say so, hence right over
 * changes of the clock: an hour that comes twice counts twice, and one that does not come does not count. Pure.
 */
export function dueAt(since: number, withinMs: number, calendar: Calendar | undefined): number {
  if (!calendar) return since + withinMs
  let left = withinMs
  const first = localDay(calendar.timeZone, since)
  for (let day = first; day < first + mostDays; day++)
    for (const [opens, closes] of openTimes(calendar, day)) {
      const from = Math.max(opens, since)
      if (closes <= from) continue
      if (from + left <= closes) return from + left
      left -= closes - from
    }
  return since + mostDays * dayMs
}

type Span = readonly [from: number, to: number]

/** Spans of the days that were asked for: most events of a moment ask for the same. */
const known = new WeakMap<Calendar, Map<number, readonly Span[]>>()
const mostKnown = 1_000

/** When it is open on a local day, counted from 1970-01-01. */
function openTimes(calendar: Calendar, day: number): readonly Span[] {
  const days = known.get(calendar) ?? new Map<number, readonly Span[]>()
  known.set(calendar, days)
  let spans = days.get(day)
  if (!spans) {
    if (days.size >= mostKnown) days.clear()
    days.set(day, (spans = isWorkday(calendar, day) ? spansOf(calendar, day) : []))
  }
  return spans
}

function isWorkday({ days, holidays }: Calendar, day: number): boolean {
  const midnight = new Date(day * dayMs)
  return days.has(midnight.getUTCDay()) && !holidays.has(midnight.toISOString().slice(0, 10))
}

/** The local hours as instants: once for each offset from UTC that holds around that day, as far as it holds. */
function spansOf({ timeZone, fromMinute, toMinute }: Calendar, day: number): readonly Span[] {
  const begin = day * dayMs - marginMs
  const end = (day + 1) * dayMs + marginMs
  const before = offsetAt(timeZone, begin)
  const after = offsetAt(timeZone, end)
  const opens = day * dayMs + fromMinute * minuteMs
  const closes = day * dayMs + toMinute * minuteMs
  if (before === after) return [[opens - before, closes - before]]
  const change = changeBetween(timeZone, begin, end)
  return [
    [opens - before, Math.min(closes - before, change)],
    [Math.max(opens - after, change), closes - after],
  ]
}

/** The first instant of the later offset. */
function changeBetween(timeZone: string, begin: number, end: number): number {
  const before = offsetAt(timeZone, begin)
  let [low, high] = [begin, end]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(timeZone, middle) === before) low = middle
    else high = middle
  }
  return high
}

function localDay(timeZone: string, at: number): number {
  return Math.floor((at + offsetAt(timeZone, at)) / dayMs)
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** What local time is ahead of UTC at an instant, in milliseconds. */
function offsetAt(timeZone: string, at: number): number {
  let format = formats.get(timeZone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(timeZone, format)
  }
  const part: Partial<Record<string, number>> = {}
  for (const { type, value } of format.formatToParts(at)) part[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000
}

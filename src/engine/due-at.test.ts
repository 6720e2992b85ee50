import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Weekday } from '../define/business-hours.ts'
import { calendarOf } from '../define/business-hours.ts'
import { dueAt } from './due-at.ts'

const minute = 60_000
const hour = 60 * minute
const at = (text: string) => Date.parse(text)
const berlin = calendarOf('test', {
  timeZone: 'Europe/Berlin',
  from: '08:00',
  to: '17:00',
  holidays: ['2026-12-25'],
})
const iso = (time: number) => new Date(time).toISOString()

describe('when something is due', () => {
  it('is after that much time, without a calendar', () => {
    expect(dueAt(at('2026-11-27T16:30:00Z'), 2 * hour, undefined)).toBe(at('2026-11-27T18:30:00Z'))
  })

  it('counts no weekend: an hour left on Friday goes on on Monday', () => {
    expect(iso(dueAt(at('2026-11-27T15:00:00Z'), 2 * hour, berlin))).toBe('2026-11-30T08:00:00.000Z')
    expect(iso(dueAt(at('2026-11-28T12:00:00Z'), 2 * hour, berlin))).toBe('2026-11-30T09:00:00.000Z')
  })

  it('counts no holiday', () => {
    expect(iso(dueAt(at('2026-12-24T15:30:00Z'), 2 * hour, berlin))).toBe('2026-12-28T08:30:00.000Z')
  })

  it('is at the closing of a day, not at the opening of the next, when the time is just enough', () => {
    expect(iso(dueAt(at('2026-11-27T14:00:00Z'), 2 * hour, berlin))).toBe('2026-11-27T16:00:00.000Z')
  })

  it('follows the local time over the change of the clock', () => {
    // Friday 27 March 2026, 16:00 in winter time; Monday is in summer time.
    expect(iso(dueAt(at('2026-03-27T15:00:00Z'), 2 * hour, berlin))).toBe('2026-03-30T07:00:00.000Z')
  })

  it('takes a day of 23 and one of 25 hours for what they are', () => {
    const always = calendarOf('test', { timeZone: 'Europe/Berlin', days: ['sun', 'mon'] })
    expect(iso(dueAt(at('2026-03-28T23:00:00Z'), 23 * hour + minute, always))).toBe(
      '2026-03-29T22:01:00.000Z',
    )
    expect(iso(dueAt(at('2026-10-24T22:00:00Z'), 25 * hour + minute, always))).toBe(
      '2026-10-25T23:01:00.000Z',
    )
  })

  it('opens at the change of the clock where the opening hour does not come', () => {
    const beirut = calendarOf('test', { timeZone: 'Asia/Beirut', days: ['sun'], from: '00:00', to: '06:00' })
    // 2021-03-28: from 00:00 to 01:00 there was no time.
    expect(iso(dueAt(at('2021-03-27T12:00:00Z'), hour, beirut))).toBe('2021-03-27T23:00:00.000Z')
  })

  const zones = [
    'UTC',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    'Australia/Lord_Howe',
    'America/Santiago',
    'Pacific/Apia',
  ]
  const weekdays: readonly Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
  const time = (total: number) =>
    `${String(Math.floor(total / 60)).padStart(2, '0')}:${String(total % 60).padStart(2, '0')}`
  const hours = fc
    .record({
      timeZone: fc.constantFrom(...zones),
      days: fc.subarray([...weekdays], { minLength: 1 }),
      opening: fc
        .tuple(fc.integer({ min: 0, max: 96 }), fc.integer({ min: 0, max: 96 }))
        .filter(([one, other]) => one !== other),
      holidays: fc.subarray(['2026-03-29', '2026-03-30', '2026-10-25', '2026-10-26', '2026-04-05']),
    })
    .map(({ opening, ...rest }) => ({
      ...rest,
      from: time(Math.min(...opening) * 15),
      to: time(Math.max(...opening) * 15),
    }))
  // Around the changes of the clock of 2026 in both hemispheres.
  const moments = fc.tuple(
    fc.constantFrom('2026-03-07', '2026-03-28', '2026-04-03', '2026-10-03', '2026-10-24', '2026-10-31'),
    fc.integer({ min: 0, max: 2 * 24 * 60 }),
  )

  it('is the first moment by which that many minutes were open, for any hours, anywhere, at any time', () => {
    fc.assert(
      fc.property(hours, moments, fc.integer({ min: 1, max: 600 }), (options, [date, offset], within) => {
        const calendar = calendarOf('test', options)
        const since = at(`${date}T00:00:00Z`) + offset * minute
        const due = dueAt(since, within * minute, calendar)
        const isOpen = openness(options)
        // What was open before it, minute by minute; days on which nothing can be open are gone through in steps.
        let open = 0
        for (let now = since; now < due; now += minute) if (isOpen(now)) open++
        expect(open).toBe(within)
        expect(isOpen(due - minute)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('never is earlier for an event that came later, nor for a longer time', () => {
    const more = fc.record({
      within: fc.integer({ min: 1, max: 600 }),
      longer: fc.nat(600),
      later: fc.nat(7_000),
    })
    fc.assert(
      fc.property(hours, moments, more, (options, [date, offset], { within, longer, later }) => {
        const calendar = calendarOf('test', options)
        const since = at(`${date}T00:00:00Z`) + offset * minute
        const due = dueAt(since, within * minute, calendar)
        expect(dueAt(since, (within + longer) * minute, calendar)).toBeGreaterThanOrEqual(due)
        expect(dueAt(since + later * 1_000, within * minute, calendar)).toBeGreaterThanOrEqual(due)
      }),
    )
  })
})

/** Whether a minute is open, told by its local date and time as a wall clock shows them. */
function openness(options: {
  timeZone: string
  days: readonly Weekday[]
  from: string
  to: string
  holidays: readonly string[]
}) {
  const wall = new Intl.DateTimeFormat('sv-SE', {
    timeZone: options.timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
  })
  const name = new Intl.DateTimeFormat('en-US', { timeZone: options.timeZone, weekday: 'short' })
  return (at: number) => {
    const [date = '', clock = ''] = wall.format(at).split(' ')
    return (
      options.days.includes(name.format(at).toLowerCase() as Weekday) &&
      !options.holidays.includes(date) &&
      clock >= options.from &&
      clock < options.to
    )
  }
}

describe('business hours', () => {
  const refused = (hours: object) => () => calendarOf('expectation "x"', { timeZone: 'UTC', ...hours })
  it.each([
    [{ timeZone: 'Europe/Bärlin' }, /Europe\/Bärlin.*time zone/],
    [{ timeZone: undefined }, /time zone/],
    [{ days: [] }, /at least one day/],
    [{ days: ['monday'] }, /"monday" is not a day/],
    [{ from: '8:00' }, /"from".*"8:00"/],
    [{ to: '24:01' }, /"to".*"24:01"/],
    [{ from: '17:00', to: '08:00' }, /not later than 17:00/],
    [{ holidays: ['2026-02-30'] }, /2026-02-30/],
    [{ holidays: '2026-12-25' }, /array of dates/],
  ])('are refused where they cannot be meant: %j', (hours, words) => {
    expect(refused(hours)).toThrow(words)
    expect(refused(hours)).toThrow(/^expectation "x"/)
  })
})

import { describe, expect, it } from 'vitest'
import { calendarOf } from './business-hours.ts'
import { maintenanceMs, storedCalendars } from './maintenance.ts'

const sundayNight = calendarOf('test', {
  timeZone: 'Europe/Berlin',
  days: ['sun'],
  from: '02:00',
  to: '04:30',
})
const minutes = (count: number) => count * 60_000

describe('declared maintenance', () => {
  it('goes on until its local end', () => {
    // Sunday 12 July 2026, 03:10 in Berlin
    expect(maintenanceMs([sundayNight], Date.parse('2026-07-12T01:10:00Z'))).toBe(minutes(80))
    // in winter the same local time is an hour later
    expect(maintenanceMs([sundayNight], Date.parse('2026-01-11T02:10:00Z'))).toBe(minutes(80))
  })

  it('is not before its beginning, at its end, or on another day', () => {
    for (const at of ['2026-07-11T23:59:59Z', '2026-07-12T02:30:00Z', '2026-07-13T01:10:00Z'])
      expect(maintenanceMs([sundayNight], Date.parse(at))).toBe(0)
    expect(maintenanceMs([], Date.now())).toBe(0)
  })

  it('says the same of what was kept in the journal', () => {
    const kept = JSON.parse(JSON.stringify(storedCalendars([sundayNight]))) as ReturnType<
      typeof storedCalendars
    >
    expect(maintenanceMs(kept, Date.parse('2026-07-12T01:10:00Z'))).toBe(minutes(80))
  })
})

/** A `timestamptz` as the driver gives it: `infinity` comes as a number. */
export type DatabaseTime = Date | number | null

/** RFC 3339 in UTC; null where there is no moment, or none that ever comes. */
export function iso(time: DatabaseTime): string | null {
  return time instanceof Date ? time.toISOString() : null
}

/** The same for a column that always holds a moment. */
export function isoAlways(time: DatabaseTime): string {
  return iso(time) ?? new Date(0).toISOString()
}

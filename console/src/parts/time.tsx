import { useEffect, useState } from 'react'

const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'long' })
const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const dayTime = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})
const secondsTime = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

/** A length of time in at most two units: `3 h 16 min`, `40 s`, `2 days`. */
export function lengthOf(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

/** Milliseconds as people say them: `94 ms`, `1.2 s`, `3 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  return lengthOf(ms)
}

/** The clock time; with the day where it is not today, with seconds where it is less than a minute ahead. */
export function clock(at: string | number | Date): string {
  const date = new Date(at)
  const aheadMs = date.getTime() - Date.now()
  if (aheadMs > 0 && aheadMs < 60_000) return secondsTime.format(date)
  return date.toDateString() === new Date().toDateString() ? clockTime.format(date) : dayTime.format(date)
}

interface TimeProps {
  /** RFC 3339. */
  readonly at: string
  /** As clock time, where somebody must act on it; otherwise as long ago or ahead. */
  readonly clock?: boolean
  /** Clock time with seconds. */
  readonly seconds?: boolean
}

/** A moment in the reader's own clock; pointing at it gives the full date with its zone. */
export function Time({ at, clock: asClock = false, seconds = false }: TimeProps) {
  const now = useNow(asClock || seconds ? 0 : 15_000)
  const ms = Date.parse(at) - now
  const words = seconds ? secondsTime.format(new Date(at)) : asClock ? clock(at) : relative(ms)
  return (
    <time dateTime={at} title={full.format(new Date(at))}>
      {words}
    </time>
  )
}

function relative(ms: number): string {
  if (Math.abs(ms) < 5_000) return 'now'
  return ms < 0 ? `${lengthOf(ms)} ago` : `in ${lengthOf(ms)}`
}

/** The time, told again every so many milliseconds; 0: only once. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (everyMs === 0) return
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

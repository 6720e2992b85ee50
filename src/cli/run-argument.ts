import { BusbarError } from '../errors.ts'

/**
 * Reads `book-order/1042`, or `book-order/1042/1` with a generation. Flow names may hold slashes, but no part of theirs
 * after one is a number, so there is one way to read it. Throws `config.invalid`.
 */
export function parseRun(text: string): { flow: string; seq: number; generation: number } {
  const match = /^(.+?)\/(\d{1,16})(?:\/(\d{1,5}))?$/.exec(text)
  if (!match)
    throw new BusbarError(
      'config.invalid',
      `"${text}" names no run: write <flow>/<seq>, such as book-order/1042; "busbar runs" lists them`,
    )
  return { flow: match[1] ?? '', seq: Number(match[2]), generation: Number(match[3] ?? 0) }
}

/** Reads `15m ago`-like lengths (`15m`, `2h`, `1d`) as that long before now, or an RFC 3339 time. Throws `config.invalid`. */
export function parseMoment(text: string, now = Date.now()): string {
  const match = /^(\d+)(s|m|h|d)$/.exec(text)
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  if (match) return new Date(now - Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]).toISOString()
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : undefined
  if (date && !Number.isNaN(date.getTime())) return date.toISOString()
  throw new BusbarError('config.invalid', `"${text}" is no time: write 15m, 2h, 1d or 2026-01-31T12:00:00Z`)
}

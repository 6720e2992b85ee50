import { BusbarError } from '../errors.ts'

/** A length of time: milliseconds, or a number with a unit, such as `'250ms'`, `'30s'`, `'15m'`, `'72h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** The duration in milliseconds; throws `config.invalid` when it is not one. */
export function durationMs(duration: Duration): number {
  if (typeof duration === 'number' && Number.isFinite(duration) && duration >= 0) return duration
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration))
  if (!match)
    throw new BusbarError(
      'config.invalid',
      `"${duration}" is not a duration; write 500, '250ms', '30s', '15m', '72h' or '7d'`,
    )
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]
}

import type { Answer } from '../api.ts'
import { count, counted } from './measure.tsx'
import { lengthOf } from './time.tsx'

export type System = Answer<'listSystems'>['items'][number]

/** `58 of 600 a minute`, `2 of 5 at once`. */
export function limitWords({ limit }: System, { short = false } = {}): string {
  if (limit === null) return 'not known yet'
  const used = `${count(limit.used)} of ${count(limit.max)}`
  if (limit.kind === 'at-once') return `${used} at once`
  const per = limit.perMs ?? 0
  if (per === 60_000) return short ? `${used} a min` : `${used} a minute`
  return per === 1_000 ? `${used} a second` : `${used} in ${lengthOf(per)}`
}

/** The share of its limit that is used, 0 to 1. */
export function limitShare({ limit }: System): number {
  return limit === null || limit.max === 0 ? 0 : limit.used / limit.max
}

/** The share of failed calls in the last 5 minutes, in words. */
export function errorWords({ recent: { calls, failed } }: System): string {
  if (calls === 0) return 'no calls'
  const percent = (failed / calls) * 100
  return `${percent > 0 && percent < 1 ? percent.toFixed(1) : Math.round(percent)} %`
}

/** `312 orders`, `about 12,000 events`, `none`. */
export function waitingWords({ waiting: { count: many, noun, exact } }: System): string {
  return many === 0 ? 'none' : `${exact ? '' : 'about '}${counted(many, noun)}`
}

/** Whether it is not called but for tries. */
export function isCutOff({ standing }: Pick<System, 'standing'>): boolean {
  return standing === 'cut-off' || standing === 'trying'
}

/** What people call it, as a sentence begins. */
export function nameOf({ label }: Pick<System, 'label'>): string {
  return label.slice(0, 1).toUpperCase() + label.slice(1)
}

/** What it does instead of answering: `refuses connections`. */
export function faultOf({ name, reason }: System): string {
  const [first = ''] = (reason ?? '').split(': ')
  const words = first.startsWith(`${name} `) ? first.slice(name.length + 1) : first
  return words === '' ? 'does not answer' : words
}

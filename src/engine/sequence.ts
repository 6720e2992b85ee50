/** The rules of the orders 'sequence' and 'latest': pure, total, and the only place that knows them. */
import type { SequenceMark } from '../journal/port.ts'

/**
 * Where a run stands in the sequence of its key. `next`: it may run. `stale`: it came too late, and is never applied.
 * `gap`: numbers before its own, from `missing` on, have not come yet.
 */
export type SequencePlace =
  | { readonly kind: 'next' }
  | { readonly kind: 'stale'; readonly reason: string }
  | { readonly kind: 'gap'; readonly missing: number }

/**
 * The place of an event with this number, given how far its key has come. Another run of the very event that was dealt
 * with last is no repetition of it: several flows of one lane group share the order.
 */
export function placeInSequence(
  { number, seq }: { readonly number: number; readonly seq: number },
  mark: SequenceMark | undefined,
  start: number,
): SequencePlace {
  if (number < start)
    return { kind: 'stale', reason: `number ${number} lies before the first, which is ${start}` }
  const expected = Math.max(start, (mark?.last ?? -1) + 1)
  if (number === expected) return { kind: 'next' }
  if (number > expected) return { kind: 'gap', missing: expected }
  if (number === mark?.last && seq === mark.seq) return { kind: 'next' }
  return { kind: 'stale', reason: staleWords(number, mark) }
}

function staleWords(number: number, mark: SequenceMark | undefined): string {
  const last = mark?.last ?? number
  if (number < last) return `number ${number} came after ${last} was dealt with`
  return mark?.seq === 0
    ? `number ${number} came after it was given up`
    : `number ${number} was dealt with before, as event ${mark?.seq ?? 0}`
}

/** The mark that is further on. */
export function furthest(
  one: SequenceMark | undefined,
  other: SequenceMark | undefined,
): SequenceMark | undefined {
  if (!one || !other) return one ?? other
  return other.last > one.last ? other : one
}

/** Which numbers are missing before this one, in words. */
export function missingWords(missing: number, number: number): string {
  return missing === number - 1 ? `number ${missing}` : `numbers ${missing} to ${number - 1}`
}

/** A number as the CloudEvents extension `sequence` carries it, as text; undefined when it is none that can be counted on. */
export function parseSequence(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^\d{1,20}$/.test(text)) return undefined
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : undefined
}

/** Whether a number can stand in a sequence. */
export function isSequenceNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** A run of which only the newest counts, as far as the rule looks at it. */
export interface Snapshot {
  /** It is being attempted, or about to be again. */
  readonly underWay: boolean
  /** A flow of several steps has done something of it. */
  readonly begun: boolean
  /** A replay is what a person has chosen, and what is undone must be undone. */
  readonly wanted: boolean
  /** Its effect may have happened; sent at this time at the latest. */
  readonly maybeAt: number | null
}

/**
 * Whether a run ends unapplied as soon as a newer one of its flow and key waits behind it. One whose outcome is unknown
 * does not before its request has surely landed: until then it could land on top of the newer.
 */
export function givesWay(snapshot: Snapshot, settleMs: number, now: number): boolean {
  const { underWay, begun, wanted, maybeAt } = snapshot
  if (underWay || begun || wanted) return false
  return maybeAt === null || maybeAt + settleMs <= now
}

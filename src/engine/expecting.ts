import type { Expectation } from '../define/expectation.ts'
import type { CloseExpected, OpenExpected } from '../journal/port-expectations.ts'
import type { StoredEvent } from '../journal/port.ts'
import { busEvent } from './bus-event.ts'
import { dueAt } from './due-at.ts'

/** An event that an expectation cannot take into account, and why. */
export interface Unread {
  readonly expectation: string
  readonly seq: number
  readonly type: string
  /** JSON text; empty where nobody has read it. */
  readonly data: string
  /** May hold what must not be shown of the data. */
  readonly why: string
}

/** What a stretch of the log means for an expectation. */
export interface Stretched {
  /** Not met within the stretch, or late. */
  readonly opens: readonly OpenExpected[]
  readonly closes: readonly CloseExpected[]
  /** Opened and met in time within the stretch. */
  readonly met: number
  readonly unread: readonly Unread[]
}

/** Whether the data of an event of this type must be known, and not its key alone. */
export function needsData({ match, when, after }: Expectation, type: string): boolean {
  return match !== 'key' || (when !== undefined && type === after.type)
}

/**
 * Goes through a stretch of the log in its order. An expected event meets all that is open for its object and was opened
 * before it. An event whose object cannot be said is told and left out: it must not hold up the others.
 */
export async function expecting(
  id: number,
  expectation: Expectation,
  events: readonly StoredEvent[],
): Promise<Stretched> {
  const { after, expected, lookBackMs, withinMs, calendar, name } = expectation
  const open = new Map<string, OpenExpected[]>()
  const late: OpenExpected[] = []
  const closes = new Map<string, CloseExpected>()
  const unread: Unread[] = []
  let met = 0

  const close = (key: string, { seq, receivedAt: at }: StoredEvent) => {
    const known = closes.get(key) ?? { e: id, key, seq, at, lastSeq: seq, lastAt: at }
    closes.set(key, { ...known, lastSeq: seq, lastAt: at })
    for (const row of open.get(key) ?? []) {
      if (at <= row.due) met++
      else late.push({ ...row, metSeq: seq, metAt: at })
    }
    open.delete(key)
  }

  for (const event of events) {
    try {
      const opens = event.type === after.type && (await isMeant(expectation, event))
      const openKey = opens ? await objectOf(expectation, event, 'after') : undefined
      const closeKey =
        event.type === expected.type ? await objectOf(expectation, event, 'expected') : undefined
      const before = openKey === undefined ? undefined : closes.get(openKey)
      if (closeKey !== undefined) close(closeKey, event)
      if (openKey === undefined) continue
      const { seq, receivedAt: at } = event
      const due = dueAt(at, withinMs, calendar)
      if (lookBackMs > 0 && before && before.lastAt >= at - lookBackMs) met++
      else open.set(openKey, [...(open.get(openKey) ?? []), { e: id, seq, key: openKey, at, due }])
    } catch (error) {
      unread.push({
        expectation: name,
        seq: event.seq,
        type: event.type,
        data: event.data,
        why: error instanceof Error ? error.message : String(error),
      })
    }
  }
  return { opens: [...late, ...[...open.values()].flat()], closes: [...closes.values()], met, unread }
}

async function isMeant({ when, after }: Expectation, event: StoredEvent): Promise<boolean> {
  if (!when) return true
  const { data } = await busEvent(event, after)
  return when(data) === true
}

/** The object that an event is about; throws where nobody can say. */
async function objectOf(
  expectation: Expectation,
  event: StoredEvent,
  side: 'after' | 'expected',
): Promise<string> {
  const { match } = expectation
  if (match === 'key') {
    if (event.key === null) throw new Unmatched('it has no key')
    return event.key
  }
  const { data } = await busEvent(event, expectation[side])
  return usable(match[side](data), side)
}

const maxBytes = 255

/** A text that can be stored and indexed as a key. */
function usable(key: unknown, side: string): string {
  if (typeof key !== 'string' || key === '') throw new Unmatched(`match.${side} gives no text`)
  if (Buffer.byteLength(key) > maxBytes)
    throw new Unmatched(`match.${side} gives more than ${maxBytes} bytes`)
  if (!key.isWellFormed() || /[\u0000-\u001f\u007f-\u009f]/.test(key))
    throw new Unmatched(`match.${side} gives a text with control characters, or one that is not well-formed`)
  return key
}

/** Never leaves this file: it becomes a line of what could not be read. */
class Unmatched extends Error {}

import { hash } from 'node:crypto'
import type { EchoFields } from '../define/echo.ts'
import type { OutstandingWrite } from '../journal/port-echoes.ts'

/** Which inbound events are echoes of our own writes: pure, total, and the only place that knows the rules. */

/** An inbound event that speaks of an object, as the rules see it. */
export interface Inbound {
  readonly seq: number
  readonly fp: string | null
  readonly version: string | null
  readonly receivedAt: number
  readonly windowMs: number
}

/** What the events of one object come to. An event that is in neither list is to be judged again later, with all behind it. */
export interface Judgement {
  readonly echoes: readonly { readonly seq: number; readonly write: OutstandingWrite }[]
  readonly real: readonly number[]
  /** Writes whose echo cannot come any more. */
  readonly gone: readonly number[]
  /** Writes whose echo can only be told by its version from now on. */
  readonly blunted: readonly number[]
}

type Verdict = 'real' | 'later' | { readonly write: OutstandingWrite }

/**
 * Judges the events of one object, in log order, against what we have written to it and not seen again, in the order of
 * the writes. It assumes that a system tells of its changes in their order, perhaps leaving out those that a later one
 * has overtaken; where that leaves two readings, the event is real: an echo that runs does no harm that its target's own
 * echo would not end, a change that is swallowed does.
 */
export function judge(
  events: readonly Inbound[],
  writes: readonly OutstandingWrite[],
  now: number,
): Judgement {
  const echoes: { seq: number; write: OutstandingWrite }[] = []
  const real: number[] = []
  const gone = new Set<number>()
  const blunted = new Set<number>()
  for (const [place, event] of events.entries()) {
    const before = writes
      .filter(({ id, after }) => after < event.seq && !gone.has(id))
      .map((write) => (blunted.has(write.id) ? { ...write, fp: null } : write))
    const verdict = judgeOne(event, { before, behind: events.slice(place + 1), now })
    if (verdict === 'later') break
    if (verdict === 'real') {
      // What we wrote before it has been overtaken: if the same values come now, somebody has set them again.
      for (const { id } of before) gone.add(id)
      real.push(event.seq)
    } else {
      gone.add(verdict.write.id)
      echoes.push({ seq: event.seq, write: verdict.write })
      // The echoes of earlier writes were left out, or are late: values alone no longer tell which.
      for (const write of before)
        if (write.id < verdict.write.id) (canHaveVersion(write) ? blunted : gone).add(write.id)
    }
  }
  const fresh = [...blunted].filter((id) => !gone.has(id) && writes.some((w) => w.id === id && w.fp !== null))
  return { echoes, real, gone: [...gone], blunted: fresh }
}

function judgeOne(
  event: Inbound,
  facts: {
    readonly before: readonly OutstandingWrite[]
    readonly behind: readonly Inbound[]
    readonly now: number
  },
): Verdict {
  const { behind, now } = facts
  const open = facts.before.filter(({ at }) => event.receivedAt - at <= event.windowMs)
  const exact = open.find((write) => sameVersion(write, event))
  if (exact) return { write: exact }
  const [oldest] = open.filter((write) => sameFields(write, event))
  if (!oldest) {
    const mayTell = open.some((write) => write.versioned && event.version !== null && isUnderWay(write, now))
    return mayTell ? 'later' : 'real'
  }
  const newest = open.at(-1) as OutstandingWrite
  // It may still turn out to have failed, or to have made another version.
  if (isUnderWay(oldest, now)) return 'later'
  if (sameFields(newest, event)) return isUnderWay(newest, now) ? 'later' : { write: oldest }
  // The system may tell of the older write with the newer one to follow, or of somebody's return to the older values,
  // which has hidden the newer one. The newer one's echo tells.
  const newer = open.filter((write) => write.id > oldest.id && !sameFields(write, event))
  const follows = behind.some((later) =>
    newer.some((write) => sameVersion(write, later) || sameFields(write, later)),
  )
  if (follows) return { write: oldest }
  return now < patience(event, oldest, newer) ? 'later' : 'real'
}

/** Until when the newer write's echo may come: after as long as the older one's took, and as long again, at least five seconds and at most a minute. */
function patience(event: Inbound, oldest: OutstandingWrite, newer: readonly OutstandingWrite[]): number {
  const tookMs = Math.max(0, event.receivedAt - oldest.at)
  const written = Math.max(...newer.map(({ at, settlesAt }) => Math.max(at, settlesAt ?? 0)))
  const until = Math.max(event.receivedAt, written + tookMs) + Math.max(5_000, tookMs)
  return Math.min(until, event.receivedAt + 60_000)
}

function isUnderWay({ settlesAt }: OutstandingWrite, now: number): boolean {
  return settlesAt !== null && now < settlesAt
}

function canHaveVersion({ version, versioned }: OutstandingWrite): boolean {
  return versioned || version !== null
}

function sameVersion(write: OutstandingWrite, event: Inbound): boolean {
  return write.version !== null && write.version === event.version
}

/** Where both sides know the version, it alone decides. */
function sameFields(write: OutstandingWrite, event: Inbound): boolean {
  if (write.version !== null && event.version !== null) return false
  return write.fp !== null && write.fp === event.fp
}

/**
 * The fingerprint of an object's fields: the same for the same values, whatever the order of the names; `undefined`
 * counts as absent. Throws a TypeError for what JSON cannot say.
 */
export function fieldsFingerprint(fields: EchoFields): string {
  return hash('sha256', JSON.stringify(canonical(JSON.parse(JSON.stringify(fields)))), 'hex').slice(0, 32)
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))
  return { fields: fields.map(([name, each]) => [name, canonical(each)]) }
}

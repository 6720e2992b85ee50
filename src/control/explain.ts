import { runState } from '../journal/port.ts'
import type { RunRef } from './schema/run.ts'
import type { Sentence } from './schema/common.ts'
import { explainSystem } from './explain-system.ts'
import type { SystemFacts } from './explain-system.ts'
import { link, runId, say, text, time } from './sentence.ts'
import { stateWord } from './state-word.ts'

/** The first open run of a lane. */
export interface HeadFacts extends RunRef {
  readonly state: number
  readonly nextAt: string | null
  readonly reason: string | null
}

/** All that decides where a run is and why it is there. Moments are RFC 3339. */
export interface RunFacts extends RunRef {
  /** null: the flow has not reached the event. */
  readonly state: number | null
  readonly group: string
  readonly key: string | null
  readonly nowAt: string
  readonly firstAt: string | null
  readonly endedAt: string | null
  readonly nextAt: string | null
  readonly attempts: number
  readonly ms: number | null
  readonly code: string | null
  readonly message: string | null
  readonly reason: string | null
  /** What its lane waits for besides time. */
  readonly awaits: string | null
  /** The first open run of its lane; itself when it is the head, null when it is in no lane. */
  readonly head: HeadFacts | null
  /** The system it needs next; null when it is not known. */
  readonly system: SystemFacts | null
  readonly groupPaused: boolean
  /** The live worker that runs its lane group. */
  readonly owner: string | null
  /** How far the flow has come; only for pending ones. */
  readonly position: number | null
}

/** Why a run is where it is, in words, and until when it stays so at the latest, if that is known. */
export interface Explanation {
  readonly why: Sentence
  readonly until: string | null
}

/** Promise 10: every run answers for itself. Pure; the clients format the moments. */
export function explainRun(facts: RunFacts): Explanation {
  switch (facts.state) {
    case null:
      return explainPending(facts)
    case runState.waiting:
      return explainBehind(facts) ?? explainHeld(facts) ?? explainWaiting(facts)
    case runState.retrying:
      return explainBehind(facts) ?? explainHeld(facts) ?? explainRetrying(facts)
    case runState.running:
      return explainRunning(facts)
    case runState.parked:
      if (facts.awaits === 'settle' && facts.reason !== null)
        return { why: say`${explainParked(facts)}; ${facts.reason}`, until: facts.nextAt }
      return { why: explainParked(facts), until: null }
    default:
      return { why: explainEnded(facts), until: null }
  }
}

function explainPending(facts: RunFacts): Explanation {
  const held = explainHeld(facts)
  if (held) return { why: say`not reached yet: ${held.why}`, until: held.until }
  return {
    why: say`not reached yet: ${link('flow', facts.flow)} has come to ${facts.position ?? 0} in the log and works on`,
    until: null,
  }
}

/** An earlier run of the same key holds the lane. */
function explainBehind({ head, ...facts }: RunFacts): Explanation | undefined {
  if (
    head === null ||
    (head.flow === facts.flow && head.seq === facts.seq && head.generation === facts.generation)
  )
    return undefined
  return explainHead(head, facts.nowAt)
}

/** Which run of the same key goes first, and what it waits for itself. */
export function explainHead(head: HeadFacts, nowAt: string): Explanation {
  const before = say`waits behind ${link('run', runId(head))}, an earlier run of the same key`
  if (head.state === runState.parked)
    return { why: [...before, text(' that is parked and needs a person')], until: null }
  if (head.state === runState.retrying && head.nextAt !== null && head.nextAt > nowAt)
    return { why: say`${before} that tries again ${time(head.nextAt)}`, until: head.nextAt }
  return { why: say`${before} that is ${stateWord(head.state)}`, until: null }
}

/** Its lane group or its system stands still, or nobody runs it. */
function explainHeld(facts: RunFacts): Explanation | undefined {
  if (facts.groupPaused) return { why: say`lane group ${link('group', facts.group)} is paused`, until: null }
  if (facts.owner === null)
    return { why: say`no live worker runs lane group ${link('group', facts.group)}: start one`, until: null }
  const system = facts.system && explainSystem(facts.system, facts.nowAt)
  if (!system || system.standing === 'connected') return undefined
  return { why: system.why, until: system.until }
}

/** A worker has it in hand; but where its system is cut off or paused, it is in the queue for that, not on its way. */
function explainRunning(facts: RunFacts): Explanation {
  const held = explainHeld(facts)
  if (held) return { why: say`begun ${since(facts.firstAt)}, but ${held.why}`, until: held.until }
  return { why: say`is being worked on since ${since(facts.firstAt)}${by(facts.owner)}`, until: null }
}

function explainWaiting(facts: RunFacts): Explanation {
  if (facts.awaits !== null)
    return { why: say`${facts.reason ?? `waits for ${facts.awaits}`}`, until: facts.nextAt }
  if (facts.nextAt !== null && facts.nextAt > facts.nowAt)
    return { why: say`waits until ${time(facts.nextAt)}${because(facts.reason)}`, until: facts.nextAt }
  return { why: say`is next in its lane${because(facts.reason)}`, until: null }
}

function explainRetrying(facts: RunFacts): Explanation {
  const due = facts.nextAt === null || facts.nextAt <= facts.nowAt
  const why = due ? say`is due for its next try` : say`tries again ${time(facts.nextAt ?? '')}`
  return { why: say`${why}${because(facts.message ?? facts.reason)}`, until: due ? null : facts.nextAt }
}

function explainParked(facts: RunFacts): Sentence {
  const what = facts.message ?? facts.reason ?? facts.code ?? 'no reason recorded'
  if (facts.code === 'call.unknown-outcome' || facts.code === 'run.key-expired')
    return say`needs a person: it is not known whether the last attempt took effect (${what})`
  return say`needs a person: ${what}`
}

function explainEnded(facts: RunFacts): Sentence {
  if (facts.state === runState.skipped || facts.state === runState.superseded)
    return say`${stateWord(facts.state)} ${since(facts.endedAt)}${because(facts.reason)}`
  const done = say`${stateWord(facts.state)} ${since(facts.endedAt)}`
  return facts.attempts > 1 ? say`${done} after ${facts.attempts} attempts` : done
}

function since(at: string | null): Sentence {
  return at === null ? [text('an unknown moment')] : [time(at)]
}

function by(owner: string | null): string {
  return owner === null ? '' : ` by worker ${owner}`
}

function because(reason: string | null): string {
  return reason === null || reason === '' ? '' : `: ${reason}`
}

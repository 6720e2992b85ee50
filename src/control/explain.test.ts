import { describe, expect, it } from 'vitest'
import { runState } from '../journal/port.ts'
import type { RunFacts } from './explain.ts'
import { explainRun } from './explain.ts'
import type { SystemFacts } from './explain-system.ts'
import { plain } from './sentence.ts'

const at = (minute: number) => `2026-01-31T12:${String(minute).padStart(2, '0')}:00.000Z`
const erp: SystemFacts = {
  name: 'erp',
  paused: false,
  breaker: 'closed',
  reason: null,
  changedAt: at(0),
  probeAt: null,
  throttledUntil: null,
  maintainedUntil: null,
}
const cutOff: SystemFacts = {
  ...erp,
  breaker: 'open',
  reason: 'it does not answer',
  changedAt: at(4),
  probeAt: at(6),
}
const head = { flow: 'book', seq: 7, generation: 0, nextAt: null, reason: null }
const own = { ...head, state: runState.waiting }

function facts(given: Partial<RunFacts>): RunFacts {
  return {
    flow: 'book',
    seq: 7,
    generation: 0,
    state: runState.waiting,
    group: 'book',
    key: 'SO-1',
    nowAt: at(5),
    firstAt: at(3),
    endedAt: null,
    nextAt: null,
    attempts: 1,
    ms: null,
    code: null,
    message: null,
    reason: null,
    awaits: null,
    head: own,
    system: erp,
    groupPaused: false,
    owner: 'w1',
    position: null,
    ...given,
  }
}

const said = (given: Partial<RunFacts>) => {
  const { why, until } = explainRun(facts(given))
  return { why: plain(why, (moment) => moment.slice(11, 16)), until }
}
const before = (state: number, nextAt: string | null = null) => ({ ...head, seq: 5, state, nextAt })

describe('promise 10: a run says where it is, why it waits and until when', () => {
  const { waiting, retrying, running, parked, succeeded, skipped, superseded } = runState
  const cutOffWhy = 'erp is cut off since 12:04: it does not answer; next try 12:06'
  const cases: readonly [Partial<RunFacts>, string, string | null][] = [
    [{ state: null, position: 4 }, 'not reached yet: book has come to 4 in the log and works on', null],
    [{ state: null, groupPaused: true }, 'not reached yet: lane group book is paused', null],
    [{ state: null, system: cutOff }, `not reached yet: ${cutOffWhy}`, at(6)],
    [
      { state: waiting, head: before(parked) },
      'waits behind book/5, an earlier run of the same key that is parked and needs a person',
      null,
    ],
    [
      { state: waiting, head: before(retrying, at(9)) },
      'waits behind book/5, an earlier run of the same key that tries again 12:09',
      at(9),
    ],
    [
      { state: waiting, head: before(running) },
      'waits behind book/5, an earlier run of the same key that is running',
      null,
    ],
    [{ state: waiting, owner: null }, 'no live worker runs lane group book: start one', null],
    [{ state: waiting, system: cutOff }, cutOffWhy, at(6)],
    [{ state: waiting }, 'is next in its lane', null],
    [{ state: retrying, nextAt: at(8), message: 'answered 500' }, 'tries again 12:08: answered 500', at(8)],
    [{ state: retrying, nextAt: at(4) }, 'is due for its next try', null],
    [
      { state: retrying, nextAt: at(8), system: { ...erp, paused: true } },
      'erp is paused since 12:00, until somebody resumes it',
      null,
    ],
    [
      { state: waiting, awaits: 'gap', reason: 'waits for number 6, has 7', nextAt: at(20), system: null },
      'waits for number 6, has 7',
      at(20),
    ],
    [
      { state: parked, awaits: 'settle', message: 'no answer', reason: 'a newer one follows', nextAt: at(6) },
      'needs a person: no answer; a newer one follows',
      at(6),
    ],
    [
      { state: superseded, endedAt: at(4), reason: 'number 5 came after 7 was dealt with' },
      'superseded 12:04: number 5 came after 7 was dealt with',
      null,
    ],
    [{ state: running }, 'is being worked on since 12:03 by worker w1', null],
    [{ state: running, system: cutOff }, `begun 12:03, but ${cutOffWhy}`, at(6)],
    [
      { state: running, owner: null },
      'begun 12:03, but no live worker runs lane group book: start one',
      null,
    ],
    [{ state: parked, message: 'answered 422' }, 'needs a person: answered 422', null],
    [
      { state: parked, code: 'call.unknown-outcome', message: 'no answer' },
      'needs a person: it is not known whether the last attempt took effect (no answer)',
      null,
    ],
    [{ state: succeeded, endedAt: at(4), attempts: 3 }, 'succeeded 12:04 after 3 attempts', null],
    [{ state: skipped, endedAt: at(4), reason: 'entered by hand' }, 'skipped 12:04: entered by hand', null],
  ]
  it.each(cases.map(([given, why, until]) => ({ given, why, until })))('$why', ({ given, why, until }) => {
    expect(said(given)).toEqual({ why, until })
  })
})

import { describe, expect, it } from 'vitest'
import type { StatusFacts } from './explain-status.ts'
import { explainStatus } from './explain-status.ts'
import { plain } from './sentence.ts'

const well: StatusFacts = {
  maxCounted: 10_000,
  flows: 1,
  parked: 0,
  causes: [],
  retrying: 0,
  pending: 0,
  oldestPendingAt: null,
  oldestPendingMs: null,
  systems: [],
  liveWorkers: 1,
  pausedGroups: [],
  overdue: 0,
  undeployed: [],
  stranded: [],
  transport: { kind: 'log', address: 'the journal', reachable: null, relay: null, leftOver: 0 },
  outbox: { waiting: 0, oldestAt: null, oldestMs: null, rejectedCount: 0 },
}
const said = (facts: Partial<StatusFacts>) => {
  const { ok, sentence } = explainStatus({ ...well, ...facts })
  return `${ok ? 'ok' : 'not ok'}: ${plain(sentence, (at) => at)}`
}

describe('the status in words', () => {
  it('is well when nothing is amiss', () => {
    expect(said({})).toBe('ok: All is well: no systems connected, nothing waits.')
  })

  it('says how many expected events are missing', () => {
    expect(said({ overdue: 1 })).toBe('not ok: 1 expected event has not come in time.')
    expect(said({ overdue: 10_000 })).toBe('not ok: At least 10,000 expected events have not come in time.')
  })

  it('says what a deployment has left behind, and what to do', () => {
    expect(said({ stranded: [{ flow: 'o2c', runs: 2 }] })).toBe(
      'not ok: 2 runs of o2c have begun steps that its deployed version does not have so: deploy one that does, or skip them.',
    )
    expect(said({ undeployed: [{ flow: 'old', open: 1, pending: true }] })).toBe(
      'not ok: old is not deployed, with 1 open run and events that wait for it: deploy it again, or remove it.',
    )
    expect(said({ undeployed: [{ flow: 'old', open: 0, pending: true }] })).toContain(
      'with events that wait for it',
    )
  })

  it('names a few flows, and counts the others', () => {
    const stranded = ['a', 'b', 'c', 'd', 'e'].map((flow) => ({ flow, runs: 1 }))
    expect(said({ stranded })).toMatch(/1 run of c has .*So it is with 2 more flows\.$/)
  })
})

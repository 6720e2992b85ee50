import { expect, it } from 'vitest'
import { judgeOwners } from './owner-checker.ts'
import type { OwnedRequest } from './owner-checker.ts'
import type { OwnerChange, WorkerChange } from './witness.ts'

const change = (at: number, owner: string | null, part = 0): OwnerChange => ({
  at,
  group: 'to-keyed',
  part,
  parts: 2,
  owner,
})
const life = (at: number, worker: string, pid: number, what: WorkerChange['what']): WorkerChange => ({
  at,
  worker,
  pid,
  what,
})
const sent = (pid: number, wall: number, khash = 4): OwnedRequest => ({
  sink: 'keyed',
  event: 'e-1',
  pid,
  wall,
  group: 'to-keyed',
  khash,
})

// Worker w1 of process 1 dies at 5,000 and comes back as w2; w3 of process 3 takes its partition.
const workers = [
  life(0, 'w1', 1, 'joined'),
  life(0, 'w3', 3, 'joined'),
  life(5_000, 'w1', 1, 'dead'),
  life(6_000, 'w2', 1, 'joined'),
]
const owners = [change(100, 'w1'), change(100, 'w3', 1), change(5_000, null), change(5_300, 'w3')]

function violations(...requests: OwnedRequest[]): readonly string[] {
  return judgeOwners({ requests, owners, workers }).violations
}

it('finds nothing wrong where owners send', () => {
  expect(violations(sent(1, 200), sent(1, 4_999), sent(3, 200, 5), sent(3, 5_301))).toEqual([])
})

it('sees a process that sends between its death mark and its return', () => {
  expect(violations(sent(1, 5_100))).toEqual(['D4 keyed: e-1 was sent by process 1, whose worker was dead'])
})

it('sees a process that has come back and goes on with what it does not own any more', () => {
  expect(violations(sent(1, 6_500))).toEqual([
    'D4 keyed: e-1 was sent by process 1, which did not own to-keyed/0',
  ])
})

it('sees a send for a partition of somebody else, or of nobody', () => {
  expect(violations(sent(3, 300))).toHaveLength(1)
  expect(violations(sent(3, 5_100))).toHaveLength(1)
})

it('counts the workers that died while their process lived on', () => {
  const { checked } = judgeOwners({ requests: [], owners, workers })
  expect(checked).toMatchObject({ deathMarks: 1, zombies: 1, ownerChanges: 4 })
})

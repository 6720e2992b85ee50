import { expect, it } from 'vitest'
import { judge } from './checker.ts'
import type { AckRecord } from './generator.ts'
import type { SinkRecord } from './sinks.ts'

const log = new Map([
  ['e-1', 1],
  ['e-2', 2],
])
const sinks = ['keyed', 'other', 'forgetful']

function ack(changes: Partial<AckRecord> & { id: string }): AckRecord {
  const seq = log.get(changes.id) ?? 0
  return { seq, duplicate: false, sending: 'first', status: 202, tries: 1, ...changes }
}

function send(sink: string, event: string, changes: Partial<SinkRecord> = {}): SinkRecord {
  const idempotencyKey = `key ${sink} ${event}`
  return {
    sink,
    kind: 'send',
    event,
    number: 'A',
    idempotencyKey,
    at: 0,
    wall: 0,
    pid: 1,
    effect: true,
    fault: '',
    ...changes,
  }
}

const acks = [ack({ id: 'e-1' }), ack({ id: 'e-2' })]
const requests = sinks.flatMap((sink) => [send(sink, 'e-1'), send(sink, 'e-2')])

function violations(changes: { acks?: AckRecord[]; requests?: SinkRecord[] }): readonly string[] {
  return judge({ acks, requests, log, events: 2, ...changes }).violations
}

it('finds nothing wrong where nothing is', () => {
  expect(violations({})).toEqual([])
})

it('sees an event that was acknowledged elsewhere, twice, or never', () => {
  expect(violations({ acks: [ack({ id: 'e-1', seq: 9 }), ack({ id: 'e-2' })] })).toEqual([
    'D1 e-1 acknowledged at 9, stored at 1',
  ])
  expect(violations({ acks: [...acks, ack({ id: 'e-1', sending: 'again' })] })).toEqual([
    'D3 e-1 was accepted twice',
  ])
  expect(violations({ acks: [...acks, ack({ id: 'e-1', sending: 'other' })] })).toEqual([
    'D3 other data under e-1 was answered with 202',
  ])
  expect(violations({ acks: [ack({ id: 'e-1' })] })).toEqual(['D1 1 events were never acknowledged'])
})

it('sees a missing, a doubled and an invented effect', () => {
  expect(violations({ requests: requests.slice(1) })).toContain('D2 keyed: 0 effects of e-1')
  expect(violations({ requests: [...requests, send('other', 'e-2')] })).toContain(
    'D4 other: 2 effects of e-2',
  )
  expect(violations({ requests: [...requests, send('other', 'e-7')] })).toContain(
    'D1 other: e-7 is not in the log',
  )
})

it('sees a key that arrives out of order, but minds no repeat', () => {
  const [one, two, ...rest] = requests as [SinkRecord, SinkRecord, ...SinkRecord[]]
  expect(violations({ requests: [two, one, ...rest] })).toEqual(['D5 keyed, A: 1 arrived after 2'])
  expect(violations({ requests: [one, two, { ...one, effect: false }, ...rest] })).toEqual([])
})

it('sees a second idempotency key, and a repeat without a look', () => {
  const again = send('keyed', 'e-1', { effect: false, idempotencyKey: 'another' })
  expect(violations({ requests: [...requests, again] })).toEqual([
    'D4 keyed e-1 came with 2 idempotency keys',
  ])
  const unanswered = send('forgetful', 'e-1', { effect: false, fault: 'timeout' })
  expect(violations({ requests: [...requests, unanswered, { ...unanswered, fault: '' }] })).toEqual([
    'D4 e-1 was sent again after timeout without a look',
  ])
})

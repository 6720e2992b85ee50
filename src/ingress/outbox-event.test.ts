import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineConfig } from '../define/config.ts'
import { defineEvent } from '../define/event.ts'
import type { OutboxRow } from '../journal/port-outbox.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { isAccepted, judgeRow } from './outbox-event.ts'

const placed = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ number: z.string(), total: z.number() }),
  key: (order) => order.number,
})
const noted = defineEvent({ type: 'shop.note', schema: z.unknown() })
const slow = defineEvent({
  type: 'shop.slow',
  schema: z.unknown().refine(() => new Promise(() => undefined)),
})
const config = defineConfig({
  flows: [],
  events: [placed, noted, slow],
  http: { maxBodyBytes: 200, maxDepth: 3 },
})

const row = (change: Partial<OutboxRow>): OutboxRow => {
  const data = change.data === undefined ? '{"number":"SO-1","total":9}' : change.data
  return {
    id: 1,
    source: 'urn:shop',
    eventId: 'e-1',
    type: placed.type,
    key: null,
    bytes: data?.length ?? 0,
    ext: '{}',
    ...change,
    data,
  }
}
const clock = new VirtualClock(0)
const judge = (change: Partial<OutboxRow>) => judgeRow(row(change), { config, clock })
const key = async (change: Partial<OutboxRow>) => {
  const judged = await judge(change)
  return isAccepted(judged) ? judged.event.key : judged
}

it('the contract says the key; where it has none the publisher does, then the subject', async () => {
  expect(await key({ key: 'other' })).toBe('SO-1')
  expect(await key({ type: noted.type, key: 'K', ext: '{"subject":"S"}' })).toBe('K')
  expect(await key({ type: noted.type, ext: '{"subject":"S"}' })).toBe('S')
  expect(await key({ type: noted.type })).toBe(null)
})

it('attributes become those of the event, and data stays as it was written', async () => {
  const data = '{ "number": "SO-1", "total": 9.00 }'
  const judged = await judge({ data, ext: '{"subject":"S","time":"2026-01-31T12:00:00Z","sequence":"4"}' })
  expect(judged).toMatchObject({ event: { id: 'e-1', source: 'urn:shop', data } })
  expect(JSON.parse(isAccepted(judged) ? judged.event.ext : '')).toEqual({
    subject: 'S',
    time: '2026-01-31T12:00:00Z',
    extensions: { sequence: '4' },
  })
})

it.each([
  [
    'what the contract refuses',
    { data: '{"number":1,"total":"x"}' },
    'event.invalid',
    '/data/number .*; /data/total ',
  ],
  ['an unknown type', { type: 'shop.unknown' }, 'event.unknown-type', 'no contract declares'],
  ['data that were too large to read', { data: null, bytes: 5_000 }, 'event.too-large', '5000 bytes'],
  ['data that are too large', { data: `"${'x'.repeat(300)}"` }, 'event.too-large', '302 bytes'],
  ['data that are too deep', { data: '[[[[1]]]]' }, 'event.invalid', 'deep'],
  ['a member twice', { data: '{"number":"A","number":"B","total":1}' }, 'event.invalid', 'appears twice'],
  ['what is not JSON', { data: '{"number":' }, 'event.invalid', 'not JSON'],
  ['a time that is none', { ext: '{"time":"yesterday"}' }, 'event.invalid', '/time'],
] as const)('%s is rejected with its reason', async (_, change, code, message) => {
  expect(await judge(change)).toEqual({
    id: 1,
    code,
    message: expect.stringMatching(message) as string,
  })
})

it('a schema that never answers is given up after 10 s', async () => {
  const judged = judge({ type: slow.type })
  clock.moveTo(9_999)
  await Promise.resolve()
  clock.moveTo(10_000)
  expect(await judged).toMatchObject({
    code: 'event.invalid',
    message: expect.stringContaining('within 10 s') as string,
  })
})

it('reasons are bounded and can be stored', async () => {
  const thrower = defineEvent({
    type: 'shop.throws',
    schema: z.unknown(),
    key: () => {
      throw new Error(`\0${'x'.repeat(499)}\ud83d\ude00`)
    },
  })
  const judged = await judgeRow(row({ type: thrower.type }), {
    config: defineConfig({ flows: [], events: [thrower] }),
    clock,
  })
  const { message } = judged as { message: string }
  expect(message.length).toBeLessThanOrEqual(500)
  expect(message.isWellFormed()).toBe(true)
  expect(message).not.toContain('\0')
})

import { describe, expect, it } from 'vitest'
import type { CarriedEvent } from '../define/transport.ts'
import { hintMessages, hintOf } from './hint-message.ts'

function carried(seq: number, more: Partial<CarriedEvent> = {}): CarriedEvent {
  const base = { source: 'urn:shop', id: `A-${seq}`, type: 'order.placed', key: 'A', khash: seq }
  return { ...base, seq, receivedAt: 0, data: '{}', ext: '{}', ...more }
}

describe('hints of events', () => {
  it('are one message, routed by the key of each, and say how far the log has grown', () => {
    const events = [carried(7), carried(8), carried(9, { khash: 71 }), carried(10, { type: 'stock.moved' })]
    expect(hintMessages('busbar.shop.hints', events)).toEqual([
      {
        exchange: 'busbar.shop.hints',
        routingKey: 'order.placed.7',
        durable: true,
        headers: { 'busbar-seq': 10, BCC: ['order.placed.8', 'stock.moved.10'] },
      },
    ])
  })

  it('are none of no events, and have one key of one', () => {
    expect(hintMessages('x', [])).toEqual([])
    expect(hintMessages('x', [carried(3)])).toEqual([
      { exchange: 'x', routingKey: 'order.placed.3', durable: true, headers: { 'busbar-seq': 3 } },
    ])
  })

  it('are several where their keys do not fit into one frame, each of the events up to its number', () => {
    const events = Array.from({ length: 500 }, (_, index) =>
      carried(index + 1, { type: `t${index % 50}.${'x'.repeat(200)}` }),
    )
    const hints = hintMessages('x', events)
    let from = 0
    for (const { routingKey, headers } of hints) {
      const { 'busbar-seq': seq, BCC: others = [] } = headers as { 'busbar-seq': number; BCC?: string[] }
      const keys = [String(routingKey), ...others]
      expect(keys.join('').length).toBeLessThan(7_000)
      const expected = events.slice(from, seq).map(({ type, khash }) => `${type}.${khash % 64}`)
      expect(new Set(keys)).toEqual(new Set(expected))
      from = seq
    }
    expect(from).toBe(500)
    expect(hints.length).toBeGreaterThan(10)
  })
})

describe('a hint', () => {
  it.each([undefined, null, 'many', 0, -1, 1.5, Number.MAX_VALUE, {}, Object.create(null), [1]])(
    'is none with the seq %j',
    (seq: unknown) => {
      expect(hintOf({ headers: { 'busbar-seq': seq } })).toBeUndefined()
    },
  )

  it('is none without headers', () => {
    expect(hintOf({})).toBeUndefined()
    expect(hintOf({ headers: { 'busbar-seq': 41 } })).toBe(41)
  })
})

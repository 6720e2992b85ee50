import { describe, expect, it } from 'vitest'
import type { CarriedEvent } from '../define/transport.ts'
import { eventMessage } from './event-message.ts'

const event: CarriedEvent = {
  seq: 41,
  source: 'urn:shop',
  id: 'A-1',
  type: 'order.placed',
  key: 'A',
  khash: 70,
  receivedAt: 1_769_860_800_123.456,
  data: '{"big":12345678901234567890,"exact":1.10}',
  ext: '{"subject":"s","time":"2026-01-31T12:00:00Z","extensions":{"traceid":"x"}}',
}

describe('an event as a message', () => {
  it('is a CloudEvent in binary mode, its data as they came', () => {
    const { envelope, body } = eventMessage('busbar.shop', event)
    expect(String(body)).toBe(event.data)
    expect(envelope).toEqual({
      exchange: 'busbar.shop',
      routingKey: 'order.placed.6',
      durable: true,
      contentType: 'application/json; charset=utf-8',
      timestamp: 1_769_860_800,
      headers: {
        'busbar-seq': 41,
        'busbar-received': 1_769_860_800_123.456,
        'cloudEvents:specversion': '1.0',
        'cloudEvents:id': 'A-1',
        'cloudEvents:source': 'urn:shop',
        'cloudEvents:type': 'order.placed',
        'cloudEvents:subject': 's',
        'cloudEvents:time': '2026-01-31T12:00:00Z',
        'cloudEvents:partitionkey': 'A',
        'cloudEvents:traceid': 'x',
      },
    })
  })

  it('keeps the content type that its publisher gave', () => {
    const { envelope } = eventMessage('x', { ...event, ext: '{"datacontenttype":"application/json"}' })
    expect(envelope.contentType).toBe('application/json')
  })

  it('is structured where its attributes are too long for headers', () => {
    const extensions = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`ext${index}`, '"'.repeat(1_000)]),
    )
    const ext = JSON.stringify({ datacontenttype: 'application/x+json', extensions })
    const { envelope, body } = eventMessage('x', { ...event, key: null, ext })
    expect(envelope.contentType).toBe('application/cloudevents+json; charset=utf-8')
    expect(String(body)).toContain(`"data":${event.data}}`)
    const attributes = { specversion: '1.0', id: 'A-1', source: 'urn:shop', type: 'order.placed' }
    const data = JSON.parse(event.data) as unknown
    expect(JSON.parse(String(body))).toEqual({
      ...attributes,
      ...extensions,
      datacontenttype: 'application/x+json',
      data,
    })
    expect(envelope.headers).toEqual({ 'busbar-seq': 41, 'busbar-received': event.receivedAt })
  })
})

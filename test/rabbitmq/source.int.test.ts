import { afterEach, beforeEach, expect, it } from 'vitest'
import { amqpSource } from '../../src/rabbitmq/index.ts'
import type { AmqpSourceOptions } from '../../src/rabbitmq/index.ts'
import type { HubRig } from './hub-rig.ts'
import { orderPlaced, startHub, until } from './hub-rig.ts'
import type { Neighbour } from './rig.ts'
import { amqpUrl, describeWithBroker, openNeighbour, uniqueName } from './rig.ts'

let shop: Neighbour
const rigs: HubRig[] = []

beforeEach(async () => {
  shop = await openNeighbour()
})

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
  await shop.close()
})

async function hubOn(options: Partial<AmqpSourceOptions>): Promise<HubRig> {
  const source = amqpSource({ name: 'shop', url: amqpUrl, event: orderPlaced, ...options })
  const rig = await startHub({ sources: [source] })
  rigs.push(rig)
  return rig
}

/** A queue that dead-letters into another. */
async function queues(): Promise<{ queue: string; dead: string }> {
  const dead = await shop.queue('dead')
  const queue = await shop.queue('orders', {
    arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead },
  })
  return { queue, dead }
}

describeWithBroker('a queue as a source', () => {
  it('stores messages in their order with the bytes that came, acknowledged after the commit', async () => {
    const { queue } = await queues()
    for (let revision = 1; revision <= 300; revision++)
      await shop.send({ routingKey: queue, messageId: `m${revision}` }, { number: 'A', revision })
    await shop.send(
      {
        routingKey: queue,
        messageId: 'exact',
        contentType: 'application/json',
        headers: { traceparent: 'no' },
      },
      Buffer.from('{"number":"B",  "total":12345678901234567890.10}'),
    )
    const rig = await hubOn({ queue, prefetch: 50 })
    await until(async () => (await rig.stored()).length === 301)
    const stored = await rig.stored()
    expect(stored.map(({ id }) => id)).toEqual([
      ...Array.from({ length: 300 }, (_, index) => `m${index + 1}`),
      'exact',
    ])
    expect(stored.at(-1)).toMatchObject({
      source: 'urn:busbar:source:shop',
      data: '{"number":"B",  "total":12345678901234567890.10}',
    })
    await rig.hub.stop()
    expect(await shop.ready(queue)).toBe(0)
  })

  it('acknowledges duplicates, and dead-letters what is refused for good, once each', async () => {
    const { queue, dead } = await queues()
    const rig = await hubOn({ queue })
    const order = { number: 'A' }
    const send = (envelope: object, body: unknown) => shop.send({ routingKey: queue, ...envelope }, body)
    await send({ messageId: 'm1' }, order)
    await send({ messageId: 'm1' }, order)
    await send({ messageId: 'm1' }, { number: 'A', revision: 2 })
    await send({}, order)
    await send({ messageId: 'm2' }, Buffer.from('{"number":'))
    await send({ messageId: 'm3' }, { revision: 1 })
    await send({ messageId: 'm4', contentEncoding: 'gzip' }, Buffer.from('{}'))
    await send({ messageId: 'm5' }, { number: 'x'.repeat(70_000) })
    await send({ messageId: 'm6' }, { number: 'B' })
    await until(async () => (await rig.stored()).length === 2 && (await shop.ready(dead)) === 6)
    expect((await rig.stored()).map(({ id }) => id)).toEqual(['m1', 'm6'])
    const refused = rig.lines.filter(({ message }) => message.startsWith('a message was refused for good'))
    expect(refused.map(({ facts }) => facts['code'])).toEqual([
      'event.conflict',
      'event.invalid',
      'request.malformed',
      'event.invalid',
      'request.unsupported-media-type',
      'event.too-large',
    ])
    expect(await rig.sql('SELECT source, id, code FROM refusals')).toEqual([
      { source: 'urn:busbar:source:shop', id: 'm1', code: 'event.conflict' },
    ])
    const metrics = await rig.metrics()
    expect(metrics).toContain('busbar_source_messages_total{source="shop",outcome="stored"} 2')
    expect(metrics).toContain('busbar_source_messages_total{source="shop",outcome="duplicate"} 1')
    expect(metrics).toContain('busbar_source_messages_total{source="shop",outcome="refused"} 6')
    expect(metrics).toContain('busbar_source_connected{source="shop"} 1')
    await rig.hub.stop()
    expect(await shop.ready(queue)).toBe(0)
  })

  it('takes CloudEvents with their own identity, binary and structured', async () => {
    const { queue, dead } = await queues()
    const rig = await hubOn({ queue })
    const attributes = { specversion: '1.0', id: 'c1', source: 'urn:shop', type: 'order.placed' }
    const prefixed = (prefix: string, more: object) =>
      Object.fromEntries(
        Object.entries({ ...attributes, ...more }).map(([name, value]) => [prefix + name, value]),
      )
    await shop.send(
      { routingKey: queue, headers: prefixed('cloudEvents:', { subject: 'ä', sequence: 7 }) },
      { number: 'A' },
    )
    await shop.send({ routingKey: queue, headers: prefixed('cloudEvents_', { id: 'c2' }) }, { number: 'B' })
    await shop.send(
      { routingKey: queue, contentType: 'application/cloudevents+json; charset=utf-8' },
      Buffer.from(JSON.stringify({ ...attributes, id: 'c3', data: { number: 'C' } })),
    )
    await shop.send({ routingKey: queue, headers: prefixed('cloudEvents:', { type: 'nobody.knows' }) }, {})
    await until(async () => (await rig.stored()).length === 3 && (await shop.ready(dead)) === 1)
    const stored = await rig.stored()
    expect(stored.map(({ source, id, data }) => [source, id, data])).toEqual([
      ['urn:shop', 'c1', '{"number":"A"}'],
      ['urn:shop', 'c2', '{"number":"B"}'],
      ['urn:shop', 'c3', '{"number":"C"}'],
    ])
    expect(JSON.parse(stored[0]?.ext ?? '')).toMatchObject({ subject: 'ä', extensions: { sequence: '7' } })
  })

  it('takes from an exchange through a durable queue of its own, as a function maps', async () => {
    const exchange = await shop.exchange('sales')
    const queue = uniqueName('own')
    shop.owns(queue)
    const rig = await hubOn({
      exchange,
      queue,
      bindings: ['order.#'],
      id: ({ headers }) => headers['x-id'] as string | undefined,
      event: ({ routingKey, body }) =>
        routingKey === 'order.test'
          ? undefined
          : { event: orderPlaced, data: { number: (body as { no: string }).no } },
    })
    await until(() => rig.lines.some(({ message }) => message === 'the source consumes its queue'))
    const send = (routingKey: string, no: string) =>
      shop.send({ exchange, routingKey, headers: { 'x-id': no } }, { no })
    await send('order.test', 'T')
    await send('invoice.posted', 'I')
    await send('order.placed', 'A')
    await until(async () => (await rig.stored()).length === 1)
    expect(await rig.stored()).toMatchObject([{ id: 'A', data: '{"number":"A"}' }])
    await rig.hub.stop()
    await send('order.placed', 'B')
    expect(await shop.ready(queue)).toBe(1)
  })

  it('holds messages while the journal is away: nothing lost, nothing again and again, order kept', async () => {
    const { queue, dead } = await queues()
    const rig = await hubOn({ queue, prefetch: 10 })
    await shop.send({ routingKey: queue, messageId: 'first' }, { number: 'A' })
    await until(async () => (await rig.stored()).length === 1)
    await rig.breakJournal()
    for (let revision = 1; revision <= 30; revision++)
      await shop.send({ routingKey: queue, messageId: `m${revision}` }, { number: 'A', revision })
    await until(async () => (await shop.ready(queue)) === 20)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(await shop.ready(queue)).toBe(20)
    expect(
      rig.lines.filter(({ message }) => message.startsWith('the journal takes no messages')),
    ).toHaveLength(1)
    await rig.mendJournal()
    await until(async () => (await rig.stored()).length === 31)
    expect((await rig.stored()).map(({ id }) => id)).toEqual([
      'first',
      ...Array.from({ length: 30 }, (_, index) => `m${index + 1}`),
    ])
    expect(await shop.ready(dead)).toBe(0)
    expect(await rig.metrics()).not.toContain('outcome="duplicate"} ')
  })

  it('gives back what is not stored when the hub stops', async () => {
    const { queue } = await queues()
    const rig = await hubOn({ queue })
    await until(() => rig.lines.some(({ message }) => message === 'the source consumes its queue'))
    await rig.breakJournal()
    for (const messageId of ['m1', 'm2', 'm3'])
      await shop.send({ routingKey: queue, messageId }, { number: 'A' })
    await until(async () => (await shop.ready(queue)) === 0)
    await rig.hub.stop()
    expect(await shop.ready(queue)).toBe(3)
    expect(await shop.take(queue)).toMatchObject({ envelope: { messageId: 'm1' } })
  })

  it('comes back when its queue was deleted and declared again', async () => {
    const queue = await shop.queue('orders')
    const rig = await hubOn({ queue })
    await until(() => rig.lines.some(({ message }) => message === 'the source consumes its queue'))
    await shop.connection.queueDelete({ queue })
    await until(() => rig.lines.some(({ message }) => message.startsWith('the source has lost its queue')))
    expect(await rig.metrics()).toContain('busbar_source_connected{source="shop"} 0')
    await shop.connection.queueDeclare({ queue, durable: true })
    await shop.send({ routingKey: queue, messageId: 'm1' }, { number: 'A' })
    await until(async () => (await rig.stored()).length === 1)
  })
})

it.each([
  [{ queue: '' }, 'declare the queue, or an exchange'],
  [{ exchange: 'x' }, 'declare the bindings'],
  [{ queue: 'q', bindings: ['a'] }, 'bindings and queueArguments are of a queue of its own'],
  [{ queue: 'q', prefetch: 0 }, 'prefetch must be a whole number at least 1'],
  [{ queue: 'q', url: 'http://secret:word@host' }, 'url must be an amqp: or amqps: URL'],
  [{ queue: 'q', event: [] }, 'event must be a contract'],
])('a source that is declared wrong names the option: %j', (options, message) => {
  const declare = () => amqpSource({ name: 'shop', url: amqpUrl, event: orderPlaced, ...options })
  expect(declare).toThrow(
    expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining(message) as string }),
  )
  expect(declare).not.toThrow(/secret|word/)
})

import { afterEach, expect, it } from 'vitest'
import { defineFlow } from '../../src/index.ts'
import { amqpSource, amqpSystem } from '../../src/rabbitmq/index.ts'
import { orderPlaced, startHub, until } from './hub-rig.ts'
import { describeWithOwnBroker, openNeighbour, startBroker } from './rig.ts'

const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

describeWithOwnBroker('a broker that is killed under load', () => {
  it(
    'loses no event and doubles none on the way in, and keeps every message on the way out',
    { timeout: 150_000 },
    async () => {
      const broker = await startBroker()
      closers.push(() => broker.stop())
      const shop = await openNeighbour(broker.url)
      closers.push(() => shop.close())
      // As docs/rabbitmq.md has it: a classic one of RabbitMQ 3.10 that is killed under load may not be there again.
      const quorum = { arguments: { 'x-queue-type': 'quorum' } }
      const inbound = await shop.queue('in', quorum)
      const outbound = await shop.queue('out', quorum)
      const warehouse = amqpSystem({
        name: 'warehouse',
        url: broker.url,
        timeout: '5s',
        breaker: { probeDelay: 200, maxProbeDelay: 1_000 },
      })
      const rig = await startHub({
        works: true,
        sources: [amqpSource({ name: 'shop', url: broker.url, queue: inbound, event: orderPlaced })],
        flows: [
          defineFlow('pick')
            .on(orderPlaced)
            .step('send', warehouse, {
              retry: { first: '100ms', cap: '1s' },
              run: ({ event, call }) => call.publish(outbound, event.data),
            }),
        ],
      })
      closers.push(() => rig.close())

      // The shop publishes each message until the broker has confirmed it, so that some come twice.
      const total = 600
      let confirmed = 0
      const publishing = (async () => {
        for (let revision = 1; revision <= total; revision++)
          for (;;)
            try {
              await shop.send(
                { routingKey: inbound, messageId: `m${revision}` },
                { number: `N${revision % 7}`, revision },
              )
              confirmed = revision
              break
            } catch {
              await new Promise((resolve) => setTimeout(resolve, 100))
            }
      })()
      for (const at of [150, 400]) {
        await until(() => confirmed >= at, 60_000)
        await broker.kill()
        await broker.start()
      }
      await publishing
      const ids = Array.from({ length: total }, (_, index) => `m${index + 1}`)
      await until(async () => (await rig.stored()).length >= total, 60_000)
      const stored = (await rig.stored()).map(({ id }) => id)
      expect(stored.toSorted()).toEqual(ids.toSorted())

      const messages = new Map<string, number>()
      await until(async () => {
        for (let taken = await shop.take(outbound); taken; taken = await shop.take(outbound))
          messages.set(String(taken.envelope.messageId), (taken.body as { revision: number }).revision)
        return messages.size >= total
      }, 60_000)
      expect([...messages.values()].toSorted((one, other) => one - other)).toEqual(
        ids.map((_, index) => index + 1),
      )
      expect(await rig.sql('SELECT state FROM runs WHERE state = 4')).toEqual([])
    },
  )
})

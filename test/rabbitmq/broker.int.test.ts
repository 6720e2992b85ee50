import { afterEach, expect, it } from 'vitest'
import type { Broker, Neighbour } from './rig.ts'
import { describeWithBroker, describeWithOwnBroker, openNeighbour, startBroker } from './rig.ts'

const open: (Neighbour | { close: Broker['stop'] })[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

async function neighbour(url?: string): Promise<Neighbour> {
  const opened = await openNeighbour(url)
  open.push(opened)
  return opened
}

describeWithBroker('the shared broker', () => {
  it('keeps a confirmed message until it is taken', async () => {
    const shop = await neighbour()
    const queue = await shop.queue('orders')
    await shop.send({ routingKey: queue, messageId: 'm1' }, { number: 'A' })
    expect(await shop.ready(queue)).toBe(1)
    expect(await shop.take(queue)).toMatchObject({ envelope: { messageId: 'm1' } })
    expect(await shop.take(queue)).toBeUndefined()
  })
})

describeWithOwnBroker('a broker of its own', () => {
  it(
    'keeps what was confirmed over kill -9, and blocks publishers while it has an alarm',
    { timeout: 90_000 },
    async () => {
      const broker = await startBroker()
      open.push({ close: () => broker.stop() })
      const shop = await neighbour(broker.url)
      const queue = await shop.queue('orders')
      await shop.send({ routingKey: queue, messageId: 'm1' }, { number: 'A' })
      await broker.kill()
      await broker.start()
      await shop.connection.onConnect(20_000)
      expect(await shop.take(queue)).toMatchObject({ envelope: { messageId: 'm1' } })

      const blocked = new Promise((resolve) => shop.connection.once('connection.blocked', resolve))
      await broker.raiseAlarm()
      const sent = shop.send(queue, { number: 'B' })
      await blocked
      await broker.clearAlarm()
      await sent
      expect(await shop.ready(queue)).toBe(1)
    },
  )
})

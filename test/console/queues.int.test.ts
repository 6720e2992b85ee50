import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { createControlClient } from '../../src/control/client.ts'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import { rabbitmq } from '../../src/rabbitmq/index.ts'
import type { Neighbour } from '../rabbitmq/rig.ts'
import { amqpUrl, describeWithBroker, openNeighbour, uniqueName } from '../rabbitmq/rig.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})

describeWithBroker('with a broker', () => {
  describeWithBrowser('the queues', () => {
    let neighbour: Neighbour
    let rig: ConsoleRig
    let exchange: string
    let leftOver: string

    beforeEach(async () => {
      neighbour = await openNeighbour()
      exchange = uniqueName('console')
      leftOver = `${exchange}.book.0-2`
      for (const queue of [leftOver, `${exchange}.book.0-1`]) neighbour.owns(queue)
      const erp = httpSystem({ name: 'erp', baseUrl: 'http://127.0.0.1:9' })
      const flow = defineFlow('book')
        .on(placed)
        .step('sale', erp, { run: ({ call }) => call.post('/', {}) })
      rig = await openConsole({ flows: [flow], transport: rabbitmq({ url: amqpUrl, exchange }) })
    })
    afterEach(async () => {
      expect(rig.complaints).toEqual([])
      await rig.close()
      await neighbour.connection.exchangeDelete({ exchange })
      await neighbour.close()
    })

    it('that are left over are removed with a reason, and those in use cannot be', async () => {
      const { page } = rig
      const control = createControlClient({ url: rig.hub.url })
      const queues = async () => (await control.readTransport()).queues.map(({ queue }) => queue)
      await expect.poll(queues, { timeout: 15_000 }).toEqual([`${exchange}.book.0-1`])
      // As a hub with two parts of the lane group would have left it.
      await neighbour.connection.queueDeclare({ queue: leftOver, durable: true })
      await rig.sql(
        `INSERT INTO broker_queues (transport, queue, grp, part, parts) VALUES ('rabbitmq', $1, 'book', 0, 2)`,
        [leftOver],
      )
      await neighbour.send(leftOver, { any: 'message' })
      await expect.poll(() => neighbour.ready(leftOver)).toBe(1)
      await rig.open('/operations?tab=transport')
      await page.getByRole('heading', { name: '2 queues, 1 left over' }).waitFor()
      expect(await page.getByRole('button', { name: /^Remove/ }).count()).toBe(1)
      await page.getByRole('button', { name: `Remove ${leftOver}` }).click()
      await page.getByText('Its 1 message is in the log, too').waitFor()
      await page.getByLabel('Reason').fill('the group has one part now')
      await page.getByRole('button', { name: 'Remove it' }).click()
      await page.getByRole('heading', { name: '1 queue, all in use' }).waitFor()
      expect(await queues()).toEqual([`${exchange}.book.0-1`])
      expect((await control.listAudit({})).items[0]).toMatchObject({
        verb: 'remove',
        object: `queue ${leftOver}`,
        reason: 'the group has one part now',
      })
    })
  })
})

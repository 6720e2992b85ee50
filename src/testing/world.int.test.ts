import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, defineFlow, httpSystem } from '../index.ts'
import { startWorld, stub } from './index.ts'

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), revision: z.number() }),
  key: (order) => order.number,
})
const erp = httpSystem({ name: 'erp', baseUrl: 'https://erp.example.com/api' })
const forgetful = httpSystem({ name: 'forgetful', baseUrl: 'https://f.example.com', idempotency: 'none' })
const bookSale = defineFlow('book-sale')
  .on(placed)
  .step('sale', erp, { run: ({ event, call }) => call.post('/sales', event.data) })
const bookCarefully = defineFlow('book-carefully')
  .on(placed)
  .step('sale', forgetful, {
    run: ({ event, call }) => call.post('/sales', event.data),
    find: ({ event, call }) => call.find('/sales', { number: event.data.number }),
  })

it('keeps an order behind its failed predecessor, and only that order', async () => {
  await using world = await startWorld({ flows: [bookSale], systems: [stub(erp, { failFirst: 1 })] })
  await world.publish(placed, { number: 'A', revision: 1 }, { subject: 'A1' })
  await world.publish(placed, { number: 'A', revision: 2 }, { subject: 'A2' })
  await world.publish(placed, { number: 'B', revision: 1 }, { subject: 'B1' })
  await world.untilIdle()
  expect(world.calls(erp).map((call) => call.subject)).toEqual(['A1', 'B1', 'A1', 'A2'])
  expect(await world.states()).toEqual({ succeeded: 3 })
})

it('lets hours of backoff pass at once', async () => {
  await using world = await startWorld({ flows: [bookSale], systems: [stub(erp, { failFirst: 20 })] })
  const before = performance.now()
  const startedAt = world.now.getTime()
  await world.publish(placed, { number: 'A', revision: 1 })
  await world.untilIdle()
  expect(await world.states()).toEqual({ succeeded: 1 })
  expect(world.now.getTime() - startedAt).toBeGreaterThan(3_600_000)
  expect(performance.now() - before).toBeLessThan(30_000)
})

it('runs the real code of an HTTP system: path, headers, body', async () => {
  await using world = await startWorld({ flows: [bookSale] })
  const { id } = await world.publish(placed, { number: 'A', revision: 1 })
  await world.untilIdle()
  const [call] = world.calls(erp)
  expect(call).toMatchObject({
    method: 'POST',
    path: '/api/sales',
    body: { number: 'A', revision: 1 },
    status: 200,
    event: id,
  })
  expect(call?.idempotencyKey).toMatch(/^[0-9a-f]{40}$/)
})

it('looks before it repeats what may have happened', async () => {
  const systems = [
    stub(forgetful, {
      answer: ({ method, number }) =>
        method === 'GET' ? { body: [{ number: 'A', id: 7 }] } : number === 1 ? 'timeout' : {},
    }),
  ]
  await using world = await startWorld({ flows: [bookCarefully], systems })
  await world.publish(placed, { number: 'A', revision: 1 })
  await world.untilIdle()
  expect(world.calls(forgetful).map(({ method }) => method)).toEqual(['POST', 'GET'])
  expect(await world.states()).toEqual({ succeeded: 1 })
})

it('parks what is invalid, and goes on when a person skips it', async () => {
  const systems = [
    stub(erp, {
      answer: ({ number }) => (number === 1 ? { status: 422, body: { message: 'no such customer' } } : {}),
    }),
  ]
  await using world = await startWorld({ flows: [bookSale], systems })
  const { seq } = await world.publish(placed, { number: 'A', revision: 1 })
  await world.publish(placed, { number: 'A', revision: 2 })
  await world.untilIdle()
  expect(await world.runs()).toMatchObject([
    { state: 'parked', message: expect.stringContaining('no such customer') as string },
    { state: 'waiting' },
  ])
  await world.act('skip', { flow: 'book-sale', seq })
  await world.untilIdle()
  expect(await world.states()).toEqual({ skipped: 1, succeeded: 1 })
})

it('does nothing at a paused system', async () => {
  await using world = await startWorld({ flows: [bookSale] })
  await world.pause(erp)
  await world.publish(placed, { number: 'A', revision: 1 })
  await world.untilIdle()
  expect(world.calls(erp)).toEqual([])
  await world.pause(erp, false)
  await world.untilIdle()
  expect(await world.states()).toEqual({ succeeded: 1 })
})

it('goes on by itself after an outage', async () => {
  const systems = [stub(erp, { answer: ({ number }) => (number <= 8 ? 'refused' : {}) })]
  await using world = await startWorld({ flows: [bookSale], systems })
  for (let revision = 1; revision <= 5; revision++) await world.publish(placed, { number: 'A', revision })
  await world.untilIdle()
  expect(await world.states()).toEqual({ succeeded: 5 })
})

it('does not keep its process alive after it was stopped', async () => {
  const program = `
    import { startWorld } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
    const world = await startWorld({ flows: [] })
    await world.stop()
    await world.stop()
    const stoppedAt = performance.now()
    process.on('exit', () => console.log(performance.now() - stoppedAt))`
  const args = ['--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(Number(stdout)).toBeLessThan(5_000) // the engine's own timer would hold it for ten seconds
})

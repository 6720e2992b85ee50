import { expect, it } from 'vitest'
import { Ledger } from './ledger.ts'
import { Orders } from './orders.ts'

const settings = { keys: 1_000, payloadBytes: 1_024 }

it('makes events of the asked size that say who they are', () => {
  const { id, body } = new Orders(settings).next()
  const event = JSON.parse(body) as { id: string; data: { number: string; revision: number } }
  expect(event.id).toBe(id)
  expect(`${event.data.number}.${event.data.revision}`).toBe(`SO-${id}`)
  expect(Math.abs(body.length - 1_024)).toBeLessThan(40)
})

it('has one event of a key under way at a time', () => {
  const orders = new Orders(settings)
  const underWay = Array.from({ length: 500 }, () => orders.next())
  expect(new Set(underWay.map(({ key }) => key)).size).toBe(500)
})

it('numbers the revisions of each key without a gap', () => {
  const orders = new Orders(settings)
  const ledger = new Ledger()
  for (let count = 0; count < 5_000; count++) {
    const order = orders.next()
    ledger.note(order.id)
    orders.accepted(order)
  }
  expect([ledger.count, ledger.late, ledger.repeats]).toEqual([5_000, 0, 0])
})

it('revises what was accepted lately in half of its events', () => {
  const orders = new Orders({ ...settings, keys: 100_000 })
  let again = 0
  for (let count = 0; count < 10_000; count++) {
    const order = orders.next()
    if (!order.id.endsWith('.1')) again++
    orders.accepted(order)
  }
  expect(again / 10_000).toBeGreaterThan(0.45)
  expect(again / 10_000).toBeLessThan(0.55)
})

it('says so when there are more connections than keys', () => {
  const orders = new Orders({ ...settings, keys: 2 })
  orders.next()
  orders.next()
  expect(() => orders.next()).toThrow('all 2 keys are under way')
})

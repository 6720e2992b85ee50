import { describe, expect, it } from 'vitest'
import { chance } from './chance.ts'
import { planFaults } from './faults.ts'
import { faultOf, healthy } from './simulators/faults.ts'
import { planTraffic } from './traffic.ts'

describe('chance', () => {
  it('gives the same words the same luck, and other words or another seed another', () => {
    expect(chance(1, 'SO-1', 2)).toBe(chance(1, 'SO-1', 2))
    expect(chance(1, 'SO-1', 2)).not.toBe(chance(1, 'SO-1', 3))
    expect(chance(1, 'SO-1', 2)).not.toBe(chance(2, 'SO-1', 2))
  })

  it('is spread evenly over words that hardly differ', () => {
    const lucks = Array.from({ length: 10_000 }, (_, index) => chance(7, `SO-${index}`, 'total'))
    for (let tenth = 0; tenth < 10; tenth++) {
      const hits = lucks.filter((luck) => Math.floor(luck * 10) === tenth).length
      expect(hits).toBeGreaterThan(850)
      expect(hits).toBeLessThan(1_150)
    }
  })
})

describe('planTraffic', () => {
  const traffic = planTraffic({ orders: 1_000, seed: 1, durationMs: 10_000 })
  const messages = traffic.flatMap((order) => order.messages)

  it('is the same for the same seed, and another for another', () => {
    expect(planTraffic({ orders: 1_000, seed: 1, durationMs: 10_000 })).toEqual(traffic)
    expect(planTraffic({ orders: 1_000, seed: 2, durationMs: 10_000 })).not.toEqual(traffic)
  })

  it('counts the revisions of each order up from 1, each message under an id of its own', () => {
    for (const order of traffic)
      expect(order.messages.map((message) => message.order.revision)).toEqual(
        order.messages.map((_, at) => at + 1),
      )
    expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length)
  })

  it('delivers each message once to three times, many of them more than once', () => {
    const copies = messages.map((message) => message.copies.length)
    expect(new Set(copies)).toEqual(new Set([1, 2, 3]))
    expect(copies.filter((number) => number > 1).length).toBeGreaterThan(messages.length / 4)
  })

  it('changes some orders after they were placed', () => {
    expect(traffic.filter((order) => order.messages.length > 1).length).toBeGreaterThan(200)
  })
})

describe('planFaults', () => {
  it('is the same for the same seed, in order of time, and heals whatever it breaks', () => {
    const plan = planFaults({ durationMs: 10_000, seed: 3 })
    expect(planFaults({ durationMs: 10_000, seed: 3 })).toEqual(plan)
    expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).toSorted((a, b) => a - b))
    const last = new Map(plan.map(({ system, faults }) => [system, faults]))
    for (const faults of last.values()) expect({ ...healthy, ...faults }).toEqual(healthy)
  })
})

describe('faultOf', () => {
  it('gives each fault its share of the luck, one after another, and the rest to nobody', () => {
    const faults = { ...healthy, throttled: 0.1, failing: 0.2, lostResponse: 0.3 }
    const met = [0.05, 0.15, 0.35, 0.65].map((luck) => faultOf(faults, luck))
    expect(met).toEqual(['throttled', 'failing', 'lostResponse', undefined])
  })

  it('lets a healthy system alone', () => {
    expect(faultOf(healthy, 0)).toBeUndefined()
  })
})

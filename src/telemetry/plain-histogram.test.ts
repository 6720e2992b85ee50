import { Histogram, Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { PlainHistogram } from './plain-histogram.ts'

const options = {
  name: 'attempts_seconds',
  help: 'How long',
  buckets: [0.005, 0.1, 2.5],
}
const observations = [
  ['orders', 'erp', 'succeeded', 0.001],
  ['orders', 'erp', 'succeeded', 0.005],
  ['orders', 'erp', 'succeeded', 0.0051],
  ['orders', 'erp', 'transient', 3],
  ['stock', 'shop "one"', 'succeeded', 0.1],
] as const

it('is exposed as prom-client exposes its own', async () => {
  const [plain, own] = [new Registry(), new Registry()]
  const ofOurs = new PlainHistogram({
    ...options,
    labelNames: ['flow', 'system', 'outcome'],
    registry: plain,
  })
  const ofTheirs = new Histogram({
    ...options,
    labelNames: ['flow', 'system', 'outcome'],
    registers: [own],
  })
  for (const [flow, system, outcome, value] of observations) {
    ofOurs.observe([flow, system, outcome], value)
    ofTheirs.observe({ flow, system, outcome }, value)
  }
  const lines = async (registry: Registry) => (await registry.metrics()).trim().split('\n').toSorted()
  expect(await lines(plain)).toEqual(await lines(own))
  expect(await lines(plain)).toContain(
    'attempts_seconds_bucket{le="0.1",flow="orders",system="erp",outcome="succeeded"} 3',
  )
})

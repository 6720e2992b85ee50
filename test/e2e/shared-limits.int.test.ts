/** Limits and breaker of one system over three worker processes, one killed, one suspended for longer than its lease. */
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openStage } from './role-nodes.ts'
import type { RoleNode, Stage } from './role-nodes.ts'

const limits = { concurrency: 5, rate: { max: 60, per: '1s' } } as const
/** What the way to the target, which shares this machine, may squeeze out of a second. */
const jitterMs = 150
const leaseMs = 2_000
let stage: Stage

beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())

async function publish(door: RoleNode, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const events = Array.from({ length: 500 }, (_, nth) => ({
      ...{ specversion: '1.0', id: `e-${from + nth}`, source: 'urn:test', type: 'order.placed' },
      data: { number: `K${from + nth}`, revision: 1 },
    }))
    const { statusCode, body } = await request(`${door.url}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(events),
    })
    await body.dump()
    expect(statusCode).toBe(202)
  }
}

/** Most requests in any window of so many milliseconds. */
function mostWithin(windowMs: number): number {
  const times = stage.target.requests.map(({ at }) => at).sort((one, other) => one - other)
  let most = 0
  for (let from = 0, to = 0; to < times.length; to++) {
    while ((times[to] ?? 0) - (times[from] ?? 0) >= windowMs) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

const since = (at: number) => stage.target.requests.filter((each) => each.at >= at)
const breaker = async () => (await stage.sql<{ breaker: string }>('SELECT breaker FROM systems'))[0]?.breaker

it('hold exactly, also when their holder dies or wakes up late; and the breaker is known to all within a second', async () => {
  const { target } = stage
  // A second in which the rate binds, a second in which the concurrency does.
  target.holdMs = () => (Math.floor(performance.now() / 1_000) % 2 === 0 ? 5 : 250)
  const node = () => stage.node({ roles: ['ingress', 'worker'], flows: 6, limits, leaseMs })
  const nodes = [await node(), await node(), await node()]
  for (const each of nodes) await each.start()
  const [first, killed, suspended] = nodes as [RoleNode, RoleNode, RoleNode]
  await publish(first, 1_000)
  const owners = async () =>
    (await stage.sql('SELECT DISTINCT owner FROM lane_groups WHERE owner IS NOT NULL')).length
  await expect.poll(owners, { timeout: 20_000 }).toBe(3)
  await pause(3_000)

  killed.signal('SIGKILL')
  await killed.ended
  await expect.poll(owners, { timeout: 20_000 }).toBe(2)
  await pause(2_000)
  suspended.signal('SIGSTOP')
  await expect.poll(owners, { timeout: 20_000 }).toBe(1)
  await pause(1_000)
  suspended.signal('SIGCONT')
  const woken = performance.now()
  await expect.poll(owners, { timeout: 20_000 }).toBe(2)
  await pause(2_000)

  expect(since(woken).length).toBeGreaterThan(20)
  const most = Math.max(...target.requests.map(({ overlapping }) => overlapping))
  expect(most).toBe(limits.concurrency) // and not less: it did bind
  expect(mostWithin(1_000 - jitterMs)).toBeLessThanOrEqual(limits.rate.max)
  expect(mostWithin(1_000)).toBeGreaterThan(limits.rate.max / 2)

  target.holdMs = () => 5
  target.status = 503
  await expect.poll(breaker, { timeout: 10_000, interval: 20 }).toBe('open')
  const known = performance.now() + 1_000 + jitterMs
  await pause(4_000)
  // From then on one probe at a time, half a second apart at least.
  const probes = since(known)
  expect(probes.length).toBeLessThanOrEqual(6)
  expect(probes.every(({ overlapping }) => overlapping === 1)).toBe(true)
  target.status = 200
  const mended = performance.now()
  await expect.poll(() => since(mended).length, { timeout: 15_000 }).toBeGreaterThan(40)
  expect(mostWithin(1_000 - jitterMs)).toBeLessThanOrEqual(limits.rate.max)
}, 240_000)

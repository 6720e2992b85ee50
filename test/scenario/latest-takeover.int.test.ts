import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Rig, RigWorker } from './rig.ts'
import { flowOn, openRig, orders, StubSystem } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(async () => {
  await rig.close()
})

const leaseMs = 2_000
const count = 50

interface Died {
  readonly erp: StubSystem
  readonly flows: ReturnType<typeof flowOn>[]
  readonly first: RigWorker
}

/**
 * Snapshots of one key: the first is held at the target until all are read; then the newest is sent, and the worker dies
 * before it has written that it took the place of all the others.
 */
async function diesAfterNewest(): Promise<Died> {
  const erp = new StubSystem({ name: 'erp', timeout: 30_000, settle: 3_000 })
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => (open = resolve))
  erp.answer = ({ order }) => (order.revision === 1 ? gate : undefined)
  const flows = [flowOn(erp, { ordering: 'latest' })]
  let cut = false
  const first = await rig.startWorker(flows, {
    leaseMs,
    fault: (call) => {
      if (cut && call.startsWith('flush')) throw new Error('the database is away')
    },
  })
  await rig.publish(...orders(['A'], 1))
  await rig.until(() => erp.sends.length === 1)
  cut = true
  await rig.publish(...orders(['A'], count).slice(1))
  // All are read as soon as one that was published after them has been sent.
  await rig.publish(...orders(['B'], 1))
  await rig.until(() => erp.sends.includes('B1'))
  open()
  await rig.until(() => erp.sends.includes(`A${count}`))
  return { erp, flows, first }
}

const firstSends = ({ sends }: StubSystem) => [...new Set(sends.filter((send) => send.startsWith('A')))]
const ended = () =>
  rig.sql<{ state: number }>(
    `SELECT r.state FROM runs r JOIN events e USING (seq) WHERE e.key = 'A' AND r.state >= 10 ORDER BY r.seq`,
  )

describe("a takeover in the midst of ordering: 'latest'", () => {
  it.each([
    ['a new owner', 0],
    ['a careful owner', 2],
  ])('A19: %s sends no older snapshot after the newest, however many there are', async (_, unclean) => {
    const { erp, flows, first } = await diesAfterNewest()
    expect(firstSends(erp)).toEqual(['A1', `A${count}`])
    await first.kill()
    await rig.sql('UPDATE lane_groups SET unclean = $1', [unclean])
    await rig.startWorker(flows, { leaseMs })
    await rig.until(async () => (await ended()).length === count, 20_000)
    expect(firstSends(erp)).toEqual(['A1', `A${count}`])
    expect(erp.applied.size).toBe(3)
    expect((await ended()).filter(({ state }) => state === 12)).toHaveLength(count - 1)
  })
})

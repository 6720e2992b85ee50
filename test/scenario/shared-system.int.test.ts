import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Rig } from './rig.ts'
import { flowOn, openRig, orders, StubSystem } from './rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await openRig()
})
afterEach(async () => {
  await rig.close()
})

const leaseMs = 2_000
const numbers = Array.from({ length: 60 }, (_, index) => `K${index}-`)

/** One call at a time: each that ends begins the next, of either lane group. */
function slowBooks(): StubSystem {
  const books = new StubSystem({ name: 'books', idempotency: 'none', limits: { concurrency: 1 } })
  books.answer = () => new Promise((resolve) => setTimeout(resolve, 60))
  return books
}

describe('two lane groups that call one system', () => {
  it('A4: one that is handed over begins nothing more, although calls of the other go on', async () => {
    const books = slowBooks()
    const flows = ['post', 'copy'].map((name) =>
      flowOn(books, { name, step: { find: ({ event, call }) => call.find(event.data) } }),
    )
    // Before it is handed back, what is written takes about as long as a call: there is time to begin another.
    const fault = (call: string) =>
      call.startsWith('flush') ? new Promise<void>((resolve) => setTimeout(resolve, 50)) : undefined
    await rig.startWorker(flows, { leaseMs, fault })
    await rig.publish(...orders(numbers, 1))
    await rig.until(() => books.sends.length > 2)
    for (let round = 0; round < 3; round++) {
      const other = await rig.startWorker(flows, { leaseMs, fault })
      await rig.until(() => other.worker.ownedGroups.length === 1)
      await other.stop()
    }
    await rig.until(async () => (await rig.sql('SELECT 1 FROM runs WHERE state = 10')).length === 120, 30_000)
    expect(books.sends).toHaveLength(120)
    expect(books.arrivals.filter(({ kind }) => kind === 'find')).toEqual([])
  }, 60_000)
})

import { expect, it } from 'vitest'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Replays } from './replays.ts'

/** Lets promises settle. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

function rig() {
  const clock = new VirtualClock(0)
  const seen = { asked: 0, fed: [] as string[], errors: [] as unknown[] }
  const state = { running: [] as { id: number; group: string }[], fails: false }
  const target = (group: string) => ({
    lease: { group },
    async feedReplay(replay: number) {
      seen.fed.push(`${group} ${replay}`)
    },
  })
  const replays = new Replays({
    clock,
    groups: () => [target('orders'), target('orders'), target('stock')],
    journal: {
      async runningReplays() {
        seen.asked++
        if (state.fails) throw new Error('away')
        return state.running
      },
    },
    onError: (error) => seen.errors.push(error),
  })
  const pass = async (ms: number) => {
    await settled()
    for (let at = clock.now() + ms; clock.now() < at;) {
      clock.moveTo(Math.min(at, clock.nextAt ?? at))
      await settled()
    }
  }
  return { replays, seen, state, pass }
}

it('asks once a second for all groups together while there is no replay', async () => {
  const { replays, seen, pass } = rig()
  replays.start()
  replays.start()
  await pass(10_000)
  expect(seen).toMatchObject({ fed: [], errors: [] })
  expect(seen.asked).toBeGreaterThanOrEqual(10)
  expect(seen.asked).toBeLessThanOrEqual(11)
})

it('feeds a running one to each owned part of its group, four times a second', async () => {
  const { replays, seen, state, pass } = rig()
  state.running = [{ id: 7, group: 'orders' }]
  replays.start()
  await pass(1_000)
  expect(new Set(seen.fed)).toEqual(new Set(['orders 7']))
  expect(seen.fed.length).toBeGreaterThanOrEqual(2 * 4)
})

it('does not hurry for one that other workers feed, and bears a database that is away', async () => {
  const { replays, seen, state, pass } = rig()
  state.running = [{ id: 7, group: 'other' }]
  replays.start()
  await pass(2_000)
  expect(seen.asked).toBeLessThanOrEqual(3)
  state.fails = true
  await pass(2_000)
  expect(seen.errors.length).toBeGreaterThan(0)
  replays.stop()
  const { asked } = seen
  await pass(5_000)
  expect(seen.asked).toBe(asked)
})

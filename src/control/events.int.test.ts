import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orders, StubSystem } from '../../test/scenario/rig.ts'

let rig: ControlRig
beforeEach(async () => {
  rig = await openControlRig()
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

/** One order that is run, and behind it so many events that nobody runs on. */
async function longLog(count: number): Promise<number> {
  const erp = new StubSystem({ name: 'erp' })
  await rig.startWorker([flowOn(erp)])
  const [seq = 0] = await rig.publish(...orders(['SO-1'], 1))
  await rig.until(async () => (await rig.sql('SELECT FROM runs WHERE state = 10')).length === 1)
  await rig.sql(
    `INSERT INTO events (seq, source, id, type, key, khash, received_at, data, ext)
     SELECT $1 + n, 'urn:bulk', n, 'nobody.cares', NULL, 1, clock_timestamp(), '{}', '{}' FROM generate_series(1, $2::int) n`,
    [seq, count],
  )
  return seq
}

describe('events by what a flow made of them', () => {
  it('say how far the log was looked through where a page is not full', async () => {
    const seq = await longLog(5_100)
    const first = await rig.ask('listEvents', { state: 'succeeded' })
    expect(first).toMatchObject({ items: [], looked: { from: seq + 101 } })
    expect(Date.parse(first.looked!.since)).toBeLessThanOrEqual(Date.now())
    const second = await rig.ask('listEvents', { state: 'succeeded', before: Number(first.next) })
    expect(second).toMatchObject({ items: [{ seq }], next: null, looked: null })
    expect(await rig.ask('listEvents', { type: 'order.placed' })).toMatchObject({
      looked: { from: seq + 101 },
    })
  })

  it('say nothing of it where all that fit are told, or the page is full', async () => {
    await longLog(300)
    expect((await rig.ask('listEvents', { state: 'succeeded' })).looked).toBeNull()
    expect((await rig.ask('listEvents', { type: 'nobody.cares', limit: 10 })).looked).toBeNull()
    expect((await rig.ask('listEvents', {})).looked).toBeNull()
  })

  it.each([
    ['skipped', 11],
    ['superseded', 12],
    ['compensated', 13],
  ] as const)('finds those that are %s however long ago they came', async (state, code) => {
    const seq = await longLog(5_100)
    await rig.sql('UPDATE runs SET state = $1 WHERE seq = $2', [code, seq])
    expect(await rig.ask('listEvents', { state })).toMatchObject({
      items: [{ seq }],
      next: null,
      looked: null,
    })
  })
})

import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, StubSystem } from '../../test/scenario/rig.ts'

let rig: ControlRig
let reads: number
beforeEach(async () => {
  reads = 0
  rig = await openControlRig((database) => ({
    database: () => ({
      ...database,
      query: (ask) => {
        if (ask.name === 'systems') reads++
        return database.query(ask)
      },
    }),
  }))
  await rig.startWorker([flowOn(new StubSystem({ name: 'erp' }))])
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

async function pausedErp(cacheControl?: string): Promise<boolean> {
  const answer = await rig.app.inject({
    url: '/api/v1/systems',
    headers: { ...(cacheControl !== undefined && { 'cache-control': cacheControl }) },
  })
  const { items } = answer.json<{ items: { name: string; paused: boolean }[] }>()
  return items.some(({ name, paused }) => name === 'erp' && paused)
}

it('answers many who ask at once with one look at the database', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => pausedErp('max-age=1')))
  expect(new Set(answers)).toEqual(new Set([false]))
  expect(reads).toBe(1)
})

it('answers anew whoever does not say that an answer of a second ago will do', async () => {
  await Promise.all([pausedErp('max-age=1'), pausedErp(), pausedErp('no-cache'), pausedErp('max-age=0')])
  expect(reads).toBe(4)
})

it('answers anew after an act', async () => {
  expect(await pausedErp('max-age=1')).toBe(false)
  await rig.ask('pauseSystem', { name: 'erp', reason: 'stocktaking' })
  expect(await pausedErp('max-age=1')).toBe(true)
})

it('answers anew after a second', async () => {
  await pausedErp('max-age=1')
  await rig.database.query({ text: `UPDATE systems SET paused = true WHERE name = 'erp'` })
  await expect.poll(() => pausedErp('max-age=1'), { timeout: 5_000 }).toBe(true)
})

import { afterEach, beforeEach, expect, it } from 'vitest'
import { CallError, FinalError } from '../errors.ts'
import type { ControlRig } from '../../test/scenario/control-rig.ts'
import { openControlRig } from '../../test/scenario/control-rig.ts'
import { flowOn, orders, StubSystem } from '../../test/scenario/rig.ts'
import { plain } from './sentence.ts'
import type { Sentence } from './schema/common.ts'

let rig: ControlRig
let asked: string[]
beforeEach(async () => {
  asked = []
  rig = await openControlRig((database) => ({
    database: () => ({
      ...database,
      query: (ask) => {
        asked.push(ask.name ?? ask.text)
        return database.query(ask)
      },
    }),
    nounOf: () => 'order',
  }))
})
afterEach(async () => {
  expect(rig.faults).toEqual([])
  await rig.close()
})

const words = (sentence: Sentence) => plain(sentence, () => 'then')
const refuse = (): never => {
  throw new FinalError('no tax code')
}
const fail = (): never => {
  throw new CallError({ class: 'transient', message: 'later' })
}

it('asks nothing twice, also where a system is cut off, runs are parked and a flow is run by nobody', async () => {
  const shop = new StubSystem({ name: 'shop' })
  shop.answer = refuse
  const gone = await rig.startWorker([flowOn(shop)])
  await rig.publish(...orders(['A'], 1))
  await rig.until(async () => (await rig.ask('status')).open.parked === 1)
  await gone.stop()
  const erp = new StubSystem({ name: 'erp', breaker: { consecutiveFailures: 1, probeDelay: '30s' } })
  erp.answer = () => {
    throw new CallError({ class: 'unavailable', message: 'no connection' })
  }
  await rig.startWorker([flowOn(erp)])
  await rig.publish(...orders(['B', 'C'], 1))
  await rig.until(async () => (await rig.ask('getSystem', { name: 'erp' })).standing === 'cut-off')

  asked = []
  const now = await rig.ask('now', {})
  expect(now.problems.items.map(({ fingerprint }) => fingerprint)).toContain('system:erp')
  expect(now.sentences.map(({ sentence }) => words(sentence)).join()).toContain('shop')
  expect(asked.filter((text, place) => asked.indexOf(text) !== place)).toEqual([])
})

it('counts what waits for a person apart from what waits for its system, as the list and the system itself do', async () => {
  const erp = new StubSystem({ name: 'erp', breaker: { consecutiveFailures: 1_000, failureRatio: 1 } })
  erp.answer = ({ order }) => (order.number.startsWith('P') ? refuse() : fail())
  await rig.startWorker([flowOn(erp)])
  await rig.publish(...orders(['P1', 'P2', 'B', 'C', 'D'], 1))
  await rig.until(async () => {
    const { open } = await rig.ask('status')
    return open.parked === 2 && open.retrying === 3
  })
  const { systems, sentences } = await rig.ask('now', {})
  expect(sentences.map(({ sentence }) => words(sentence))).toContain('2 orders need a person: no tax code')
  const [event] = await rig.sql<{ at: Date }>(`SELECT received_at AS at FROM events WHERE key = 'B'`)
  const waiting = { count: 3, noun: 'order', exact: true, oldestAt: event?.at.toISOString() }
  expect(systems.map((system) => system.waiting)).toEqual([waiting])
  expect((await rig.ask('listSystems')).items.map((system) => system.waiting)).toEqual([waiting])
  expect((await rig.ask('getSystem', { name: 'erp' })).waiting).toEqual(waiting)

  const [problem] = (await rig.ask('listProblems', { needs: 'person' })).items
  await rig.ask('changeProblem', { fingerprint: problem!.fingerprint, state: 'ignored' })
  const ignored = await rig.ask('now', {})
  expect(ignored.sentences.map(({ sentence }) => words(sentence)).join()).not.toContain('a person')
  expect(ignored.systems.map((system) => system.waiting)).toEqual([waiting])
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CarriedEvent } from '../../src/define/transport.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { LogRelay } from '../../src/engine/log-relay.ts'
import type { Database } from '../../src/journal/database.ts'
import { openDatabase } from '../../src/journal/database.ts'
import type { RelayJournal } from '../../src/journal/port-relay.ts'
import { sqlLog } from '../../src/journal/sql-log.ts'
import { sqlRelay } from '../../src/journal/sql-relay.ts'
import type { Rig } from '../scenario/rig.ts'
import { databaseUrl, flowOn, newEvent, openRig, StubSystem } from '../scenario/rig.ts'
import { pause } from './rig.ts'

const leaseMs = 5_000
let rig: Rig
let database: Database
let journal: RelayJournal & { head(): Promise<number> }
const relays: LogRelay[] = []
beforeEach(async () => {
  rig = await openRig()
  database = openDatabase({
    ...{ url: databaseUrl, schema: rig.schema, applicationName: 'relay', maxConnections: 2 },
    indexPlansOnly: true,
    onError: () => undefined,
  })
  const events = sqlLog(database, database)
  journal = { ...sqlRelay(database), head: () => events.head() }
})
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.stop()
  await database.close()
  await rig.close()
})

const order = (revision: number) => ({ number: 'A', revision })
const publish = (from: number, to: number) =>
  rig.publish(...Array.from({ length: to - from + 1 }, (_, index) => order(from + index)))

/** A relay to a broker that confirms as the test says. */
function relayOf(holder: string, confirm: (seqs: number[]) => unknown = () => undefined, own = journal) {
  const seqs: number[] = []
  const errors: unknown[] = []
  const relay = new LogRelay({
    journal: own,
    transport: 'broker',
    holder,
    publish: async (events: readonly CarriedEvent[]) => {
      await confirm(events.map(({ seq }) => seq))
      seqs.push(...events.map(({ seq }) => seq))
    },
    clock: systemClock,
    onCarried: () => undefined,
    onError: (error) => errors.push(error),
  })
  relays.push(relay)
  relay.start()
  return { relay, seqs, errors }
}

describe('the lease of a relay', () => {
  const hold = (holder: string, position: number, ms = 1_000) =>
    journal.holdRelay({ transport: 'broker', holder, leaseMs: ms, position })

  it('begins at the end of the log, moves on and never back, and is for one alone until it runs out', async () => {
    await publish(1, 5)
    expect(await hold('one', 0)).toBe(5)
    expect(await hold('two', 9)).toBe('held')
    expect(await hold('one', 7)).toBe(7)
    expect(await hold('one', 6)).toBe(7)
    expect(await hold('one', 8, 1)).toBe(8)
    await pause(20)
    expect(await hold('two', 99)).toBe(8)
    await journal.releaseRelay('broker', 'one')
    expect(await hold('one', 0)).toBe('held')
    await journal.releaseRelay('broker', 'two')
    expect(await hold('one', 0)).toBe(8)
  })

  it('is one for each transport', async () => {
    expect(await hold('one', 0)).toBe(0)
    expect(await journal.holdRelay({ transport: 'other', holder: 'two', leaseMs, position: 0 })).toBe(0)
  })
})

describe('what a relay reads', () => {
  it('are all events in order, cut off by number or bytes, one at least', async () => {
    await rig.journal.append(
      Array.from({ length: 6 }, (_, index) => ({
        ...newEvent(order(index + 1)),
        data: JSON.stringify('x'.repeat(100)),
      })),
    )
    const read = async (limit: number, maxBytes: number, after = 0, upTo = 6) => {
      const { events, readTo } = await journal.readAll({ after, upTo, limit, maxBytes })
      return [events.map(({ seq }) => seq), readTo]
    }
    expect(await read(10, 10_000)).toEqual([[1, 2, 3, 4, 5, 6], 6])
    expect(await read(2, 10_000)).toEqual([[1, 2], 2])
    expect(await read(10, 250, 1)).toEqual([[2, 3], 3])
    expect(await read(10, 1, 3)).toEqual([[4], 4])
    expect(await read(10, 1, 3, 3)).toEqual([[], 3])
  })
})

describe('queues that are known', () => {
  it('are in use while a lane group has the partition that they are for', async () => {
    const worker = await rig.startWorker([flowOn(new StubSystem({ name: 'erp' }), { partitions: 2 })])
    const queue = (part: number, parts: number, group = 'erp') => ({
      ...{ queue: `${group}.${part}-${parts}`, group, part, parts, types: [] },
    })
    for (const each of [queue(0, 2), queue(1, 2), queue(0, 1), queue(0, 1, 'gone'), queue(0, 2)])
      await journal.noteQueue('broker', each)
    expect((await journal.queues()).map(({ queue, inUse }) => `${queue} ${inUse}`)).toEqual([
      'erp.0-1 false',
      'erp.0-2 true',
      'erp.1-2 true',
      'gone.0-1 false',
    ])
    await journal.forgetQueue('broker', 'gone.0-1')
    expect((await journal.queues()).length).toBe(3)
    await worker.stop()
  })
})

describe('a relay', () => {
  it('carries everything once, in order, and says of nobody else what it could not', async () => {
    let fails = 2
    const { seqs, errors } = relayOf('one', () => {
      if (fails-- > 0) throw new Error('the broker is away')
    })
    await rig.until(async () => (await rig.sql('SELECT FROM log_relays')).length === 1)
    await publish(1, 1_200)
    await rig.until(() => seqs.length >= 1_200)
    expect(seqs).toEqual(Array.from({ length: 1_200 }, (_, index) => index + 1))
    expect(errors.length).toBe(2)
  })

  it('that cannot renew its lease is followed by another, and between them no event is left out', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    let isAway = false
    const far: typeof journal = {
      ...journal,
      holdRelay: (hold) => (isAway ? Promise.reject(new Error('away')) : journal.holdRelay(hold)),
    }
    const one = relayOf('one', () => held, far)
    await rig.until(
      async () => (await rig.sql('SELECT FROM log_relays WHERE holder IS NOT NULL')).length === 1,
    )
    await publish(1, 3)
    await pause(500)
    isAway = true
    const two = relayOf('two')
    await rig.until(() => two.seqs.length === 3, leaseMs + 3_000)
    release()
    isAway = false
    await rig.until(() => one.seqs.length === 3)
    await publish(4, 6)
    await rig.until(() => two.seqs.length === 6)
    await two.relay.stop()
    await publish(7, 9)
    await rig.until(() => one.seqs.includes(9), 3_000)
    expect(two.seqs).toEqual([1, 2, 3, 4, 5, 6])
    expect(one.seqs.filter((seq) => seq > 6)).toEqual([7, 8, 9])
  })

  it('goes on where a database goes on that was restored to an earlier moment', async () => {
    await publish(1, 10)
    await journal.holdRelay({ transport: 'broker', holder: 'before', leaseMs: 1, position: 10 })
    await rig.sql('DELETE FROM events WHERE seq > 4')
    const { seqs } = relayOf('one')
    await rig.until(async () => (await rig.sql(`SELECT FROM log_relays WHERE holder = 'one'`)).length === 1)
    await pause(300)
    await publish(11, 12)
    await rig.until(() => seqs.length === 2)
    expect(seqs).toEqual([5, 6])
  })

  it('writes its lease a few times in a lease while nothing happens', async () => {
    let writes = 0
    const counting = {
      ...journal,
      holdRelay: (hold: Parameters<RelayJournal['holdRelay']>[0]) => {
        writes++
        return journal.holdRelay(hold)
      },
    }
    relayOf('one', undefined, counting)
    await pause(3_000)
    expect(writes).toBeGreaterThan(1)
    expect(writes).toBeLessThanOrEqual(4)
  })

  it('ends within seconds while the broker does not confirm, and gives its lease back', async () => {
    const one = relayOf('one', () => new Promise(() => {}))
    await rig.until(async () => (await rig.sql('SELECT FROM log_relays')).length === 1)
    await publish(1, 3)
    await pause(300)
    const began = performance.now()
    await one.relay.stop()
    expect(performance.now() - began).toBeLessThan(3_000)
    const two = relayOf('two')
    await rig.until(() => two.seqs.length === 3, 1_500)
  })
})

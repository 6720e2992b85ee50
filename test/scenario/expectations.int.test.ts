/** Expectations on a real PostgreSQL: several workers, restarts, and what many open ones cost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectEvent } from '../../src/define/expectation.ts'
import type { Expectation } from '../../src/define/expectation.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { ExpectationWatch, expectationRegistrations } from '../../src/engine/expectations.ts'
import type { ExpectationWatchDeps } from '../../src/engine/expectations.ts'
import type { ExpectationsJournal } from '../../src/journal/port-expectations.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { sqlExpectations } from '../../src/journal/sql-expectations.ts'
import type { Rig } from './rig.ts'
import { databaseUrl, openRig, orderChanged, orderPlaced } from './rig.ts'

let rig: Rig
const databases: { close(): Promise<void> }[] = []

beforeAll(async () => {
  rig = await openRig()
})
afterAll(async () => {
  await Promise.all(databases.map((database) => database.close()))
  await rig.close()
})

/** Connections as a worker has them: plans by index only. */
function open(): ExpectationsJournal {
  const database = openDatabase({
    url: databaseUrl,
    schema: rig.schema,
    applicationName: 'expectations-test',
    maxConnections: 2,
    indexPlansOnly: true,
  })
  databases.push(database)
  return sqlExpectations(database)
}

function watchOf(
  expectations: readonly Expectation[],
  more: Partial<ExpectationWatchDeps> = {},
): ExpectationWatch {
  const onError = (error: unknown) => {
    throw error
  }
  return new ExpectationWatch({ expectations, journal: open(), clock: systemClock, onError, ...more })
}

const changed = (name: string, within = 3_600_000) =>
  expectEvent(orderChanged, { after: orderPlaced, within, name, start: 'now' })

const register = (...expectations: readonly Expectation[]) =>
  open().registerExpectations(expectationRegistrations(expectations))

interface Row extends Record<string, unknown> {
  readonly key: string
  readonly state: number
}
const rowsOf = (name: string) =>
  rig.sql<Row>(
    `SELECT e.key, e.state FROM expected e JOIN expectations x ON x.id = e.expectation WHERE x.name = $1 ORDER BY e.seq`,
    [name],
  )
const metOf = async (name: string) =>
  Number((await rig.sql<{ met: string }>('SELECT met FROM expectations WHERE name = $1', [name]))[0]?.met)
/** As if everything open had been due long ago. */
const expire = () => rig.sql(`UPDATE expected SET due_at = due_at - interval '1 day' WHERE state = 1`)
const problems = () =>
  rig.sql<{ title: string; state: string }>(
    `SELECT title, state FROM problems WHERE code = 'expectation.overdue' ORDER BY first_seen, fp`,
  )

describe('expectations with several workers', () => {
  it('count each event once, whoever reads it, and miss none', async () => {
    const expectation = changed('shared')
    await register(expectation)
    const watches = Array.from({ length: 4 }, () => watchOf([expectation]))
    const count = 3_000
    let published = 0
    const looking = watches.map(async (watch) => {
      while (published < count) await watch.look()
      await watch.look()
    })
    for (; published < count; published += 100) {
      const numbers = Array.from({ length: 100 }, (_, index) => `N${published + index}`)
      await rig.publish(...numbers.map((number) => ({ number, revision: 1 })))
      // Two of three are answered, one of them twice.
      const answered = numbers.filter((_, index) => index % 3 > 0)
      await rig.publish(...answered.map((number) => ({ number, revision: 2, type: 'order.changed' })))
      await rig.publish(
        ...answered.slice(0, 10).map((number) => ({ number, revision: 3, type: 'order.changed' })),
      )
    }
    await Promise.all(looking)
    const open = await rowsOf('shared')
    const unanswered = Array.from({ length: count }, (_, index) => index).filter(
      (index) => (index % 100) % 3 === 0,
    )
    expect(open.map(({ key }) => key)).toEqual(unanswered.map((index) => `N${index}`))
    expect(open.every(({ state }) => state === 1)).toBe(true)
    expect(await metOf('shared')).toBe(count - unanswered.length)
    await expire()
    await Promise.all(watches.map((watch) => watch.look()))
    expect((await rowsOf('shared')).every(({ state }) => state === 2)).toBe(true)
    expect(await problems()).toHaveLength(unanswered.length)
    await Promise.all(watches.map((watch) => watch.stop()))
  }, 60_000)

  it('write nothing for a stretch that another worker was quicker to write', async () => {
    const expectation = changed('raced')
    await register(expectation)
    await rig.publish({ number: 'R1', revision: 1 })
    const [journal, other] = [open(), open()]
    const { items, head } = await journal.expectationStates(['raced'])
    const { id = 0, position: from = 0 } = items[0] ?? {}
    const at = Date.now()
    const advance = {
      ...{ ids: [id], from, to: head, closes: [], counts: [{ e: id, met: 1, unread: 0 }], until: null },
      opens: [{ e: id, seq: head, key: 'R1', at, due: at + 1_000 }],
    }
    const both = await Promise.all([journal.advanceExpectations(advance), other.advanceExpectations(advance)])
    expect(both.flat()).toEqual([id])
    expect(await rowsOf('raced')).toHaveLength(1)
    expect(await metOf('raced')).toBe(1)
  })

  it('go on where they were after a restart, and after an answer that was lost', async () => {
    const expectation = changed('restarted')
    await register(expectation)
    await rig.publish({ number: 'K1', revision: 1 })
    const journal = open()
    // Written, and then the worker ends before it knows.
    const dying = watchOf([expectation], {
      journal: {
        ...journal,
        async advanceExpectations(advance) {
          await journal.advanceExpectations(advance)
          throw new TypeError('killed')
        },
      },
    })
    await expect(dying.look()).rejects.toThrow('killed')
    await rig.publish({ number: 'K1', revision: 2, type: 'order.changed' }, { number: 'K2', revision: 1 })
    await register(expectation) // as each start does
    await watchOf([expectation]).look()
    expect((await rowsOf('restarted')).map(({ key }) => key)).toEqual(['K2'])
    expect(await metOf('restarted')).toBe(1)
  })

  it('find out at their next start what was missed while nobody was there, without a false alarm', async () => {
    const expectation = changed('away', 1_000)
    await register(expectation)
    const [placed = 0] = await rig.publish({ number: 'A1', revision: 1 }, { number: 'A2', revision: 1 })
    await rig.publish({ number: 'A1', revision: 2, type: 'order.changed' })
    // Both were accepted an hour ago, in time; nobody has looked since.
    await rig.sql(`UPDATE events SET received_at = received_at - interval '1 hour' WHERE seq >= $1`, [placed])
    await watchOf([expectation]).look()
    expect(await rowsOf('away')).toEqual([{ key: 'A2', state: 2 }])
  })
})

describe('a deployment', () => {
  it('removes what it does not have, cancelling it, and nothing else; a rollback brings it back', async () => {
    const [kept, gone] = [changed('kept'), changed('gone')]
    await register(kept, gone)
    await rig.publish({ number: 'G1', revision: 1 })
    const watch = watchOf([kept, gone])
    await watch.look()
    await expire()
    await watch.look()
    expect(await problems()).toEqual(expect.arrayContaining([expect.objectContaining({ state: 'open' })]))
    await register(kept)
    expect(await rowsOf('gone')).toEqual([{ key: 'G1', state: 11 }])
    expect(await rowsOf('kept')).toEqual([{ key: 'G1', state: 2 }])
    await rig.publish({ number: 'G2', revision: 1 })
    await watch.look()
    expect(await rowsOf('gone')).toHaveLength(1)
    await register(kept, gone)
    await watch.look()
    expect(await rowsOf('gone')).toEqual([
      { key: 'G1', state: 2 },
      { key: 'G2', state: 1 },
    ])
  })

  it('that changes an expectation takes it over: a worker with the old one leaves it alone and says so', async () => {
    const [old, changedOne] = [changed('redefined'), changed('redefined', 60_000)]
    await register(old)
    const outdated: string[] = []
    const watch = watchOf([old], { onOutdated: (name) => outdated.push(name) })
    await watch.look()
    await register(changedOne)
    await rig.publish({ number: 'D1', revision: 1 })
    await watch.look()
    await watch.look()
    expect(outdated).toEqual(['redefined'])
    expect(await rowsOf('redefined')).toEqual([])
    await watchOf([changedOne]).look()
    expect(await rowsOf('redefined')).toHaveLength(1)
  })

  it('starts a new expectation at the head, at the beginning, or at a moment', async () => {
    const [first = 0] = await rig.publish({ number: 'S1', revision: 1 })
    const at = (start: Expectation['start'], name: string) =>
      expectEvent(orderChanged, { after: orderPlaced, within: '1h', name, start })
    const [{ received_at: moment } = { received_at: new Date() }] = await rig.sql<{ received_at: Date }>(
      'SELECT received_at FROM events WHERE seq = $1',
      [first],
    )
    const all = [at('now', 'from-now'), at('beginning', 'from-beginning'), at({ at: moment }, 'from-moment')]
    await register(...all)
    await watchOf(all).look()
    expect(await rowsOf('from-now')).toEqual([])
    expect((await rowsOf('from-beginning')).length).toBeGreaterThan(1)
    expect((await rowsOf('from-moment')).map(({ key }) => key)).toContain('S1')
    expect((await rowsOf('from-moment')).length).toBeLessThan((await rowsOf('from-beginning')).length)
  })
})

describe('a hundred thousand open ones', () => {
  it('cost a look nothing but their rows: each statement goes by its partial index', async () => {
    const expectation = changed('many')
    await register(expectation)
    await rig.sql(
      `INSERT INTO expected (expectation, seq, key, opened_at, due_at, state)
       SELECT x.id, -n, 'M' || n, clock_timestamp(), clock_timestamp() + n * interval '1 s' + interval '1 hour', 1
       FROM expectations x, generate_series(1, 100000) AS n WHERE x.name = 'many'`,
    )
    await rig.sql('ANALYZE expected')
    const explain = async (statement: string) =>
      (await rig.sql<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ${statement}`))
        .map((row) => row['QUERY PLAN'])
        .join('\n')
    const first = await explain(
      `SELECT (SELECT e.due_at FROM expected e WHERE e.expectation = x.id AND e.state = 1 ORDER BY e.due_at LIMIT 1)
       FROM expectations x WHERE x.name = 'many'`,
    )
    expect(first).toMatch(/Index (Only )?Scan using expected_due .*rows=1(\.00)? loops=1/)
    const due = await explain(
      `SELECT e.seq FROM expected e WHERE e.expectation = (SELECT id FROM expectations WHERE name = 'many') AND e.state = 1
       AND e.due_at <= now() ORDER BY e.due_at, e.seq LIMIT 500`,
    )
    expect(due).toMatch(/Index (Only )?Scan using expected_due/)
    expect(due).not.toMatch(/Seq Scan on expected|Rows Removed/)
    const met = await explain(
      `DELETE FROM expected e USING json_to_recordset('[{"key":"nobody","seq":1}]') AS c (key text, seq bigint)
       WHERE e.expectation = (SELECT id FROM expectations WHERE name = 'many') AND e.key = c.key AND e.state < 10 AND e.state = 1
       AND e.seq < c.seq`,
    )
    expect(met).toMatch(/Index Scan using expected_by_key/)
    expect(met).not.toMatch(/Seq Scan on expected|Rows Removed/)
    await rig.publish(
      { number: 'M5', revision: 2, type: 'order.changed' },
      { number: 'M100001', revision: 1 },
    )
    await watchOf([expectation]).look()
    const keys = (await rowsOf('many')).map(({ key }) => key)
    expect(keys).toHaveLength(100_000)
    expect(keys).toContain('M100001')
    expect(keys).not.toContain('M5')
  }, 60_000)
})

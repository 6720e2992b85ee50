import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Database } from '../../src/journal/database.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { migrate } from '../../src/journal/migrate.ts'
import type { StepRow } from '../../src/journal/port.ts'
import { runState, stepState } from '../../src/journal/port.ts'
import { sqlJournal } from '../../src/journal/sql-journal.ts'
import type { JournalUnderTest, Owned } from '../../src/testing/journal-under-test.ts'
import {
  done,
  flushOf,
  ownedGroup,
  positionAt,
  publishKeys,
  row,
} from '../../src/testing/journal-under-test.ts'
import { sqlJournalUnderTest } from '../../src/testing/sql-journal-under-test.ts'
import { brokenInvariants, invariants, overdue } from '../simulation/invariants.ts'
import { brokenInSql, harnessInvariants, harnessTables, sqlInvariants, sqlOverdue } from './invariants.sql.ts'

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = `invariants_${randomBytes(6).toString('hex')}`
let database: Database
let world: JournalUnderTest

beforeAll(async () => {
  database = openDatabase({ url, schema, applicationName: 'invariants', maxConnections: 1 })
  await migrate(database, schema)
  const parts = { sessions: [sqlJournal(database)], database, violations: async () => [] }
  world = sqlJournalUnderTest({ ...parts, close: () => database.close() })
  await fill()
})

afterAll(async () => {
  await database.query({ text: `DROP SCHEMA ${schema} CASCADE` })
  await world.close()
})

/** A step that is done. */
function step({ flow }: Owned, { seq }: { readonly seq: number }, name: string): StepRow {
  const nothing = { firstAt: null, maybeAt: null, nextInMs: null, ms: null, status: null }
  const counts = { tries: 1, attempts: 1, throttles: 0, conflicts: 0 }
  const words = { code: null, message: null, reason: null }
  return {
    flow: flow.id,
    seq,
    gen: 0,
    step: name,
    state: stepState.done,
    result: '1',
    ...nothing,
    ...counts,
    ...words,
  }
}

/** A healthy journal with every kind of lane. */
async function fill(): Promise<void> {
  const owned = await ownedGroup(world)
  const [a, b1, b2, c, d, e, f, g, h, i] = await publishKeys(owned, [...'abbcdefghi'])
  await owned.journal.flush(
    flushOf(owned, {
      done: [done(owned, a!)],
      runs: [
        row(owned, b1!, { state: runState.running }),
        row(owned, b2!),
        row(owned, c!),
        row(owned, d!, { state: runState.parked }),
        row(owned, e!, { state: runState.retrying, nextInMs: 3_600_000 }),
        row(owned, f!, { state: runState.parked, holds: false }),
        row(owned, g!, { awaits: 'timer', nextInMs: 3_600_000 }),
        row(owned, h!, { state: runState.parked, awaits: 'timer', nextInMs: 3_600_000 }),
        row(owned, i!, { state: runState.waiting, awaits: 'link', nextInMs: 3_600_000 }),
      ],
      linkWaits: [{ key: 'i', kind: 'customer', id: 'C-7', system: 'erp' }],
      steps: [step(owned, a!, 'sale'), step(owned, g!, 'invoice')],
      positions: positionAt(owned, i!.seq),
      claimedTo: i!.seq,
    }),
  )
}

const query = (text: string) => database.query<{ what: string }>({ text })
const nameOf = (broken: string) => broken.slice(0, broken.lastIndexOf(': '))

/** What both checkers find in a journal that these statements have broken. */
async function brokenBy(statements: string): Promise<{ sql: string[]; plain: string[] }> {
  await query(`BEGIN; ${statements}`)
  try {
    const sql = await brokenInSql(query, [...sqlInvariants, ...sqlOverdue])
    const snapshot = await world.snapshot()
    return { sql: sql.sort(), plain: [...brokenInvariants(snapshot), ...overdue(snapshot, 60_000)].sort() }
  } finally {
    await query('ROLLBACK')
  }
}

it('finds nothing in a healthy journal', async () => {
  expect(await brokenBy('')).toEqual({ sql: [], plain: [] })
})

it('checks the same by SQL and over plain data', () => {
  expect(sqlInvariants.map(({ name, scope }) => ({ name, scope }))).toEqual(
    invariants.map(({ name, scope }) => ({ name, scope })),
  )
})

const breakages: Readonly<Record<string, string>> = {
  'D3 an identity is in the log once': `ALTER TABLE events DROP CONSTRAINT events_source_id_key;
    INSERT INTO events SELECT max(seq) + 1, 'x', 'x', 't', NULL, 0, clock_timestamp(), '1', '{}' FROM events;
    INSERT INTO events SELECT max(seq) + 1, 'x', 'x', 't', NULL, 0, clock_timestamp(), '1', '{}' FROM events`,
  'D3 received_at never falls along seq': `INSERT INTO events
    SELECT max(seq) + 1, 'x', 'x', 't', NULL, 0, min(received_at) - interval '1 s', '1', '{}' FROM events`,
  'D2a every matching event up to a position has its row': `DELETE FROM runs WHERE state = 10`,
  'D2b an open holding run has a lane': `DELETE FROM lanes WHERE key = 'c'`,
  'D2c a lane has an open holding run': `UPDATE runs SET state = 10 WHERE key = 'c'`,
  'D2d a lane that waits for ever has a running run, a parked head, or awaits something': `UPDATE lanes SET next_at = 'infinity' WHERE key = 'c'`,
  'D2d a lane that awaits a time has one': `UPDATE lanes SET next_at = 'infinity' WHERE key = 'g'`,
  'D2 a lane with a running run is not due': `UPDATE lanes SET next_at = now() WHERE key = 'b'`,
  'D10 a lane says what its head waits for: the system, and the time': `UPDATE lanes SET next_at = now() WHERE key = 'e'`,
  'A15 a wait is due as soon as its link is there': `UPDATE links SET ext = '1077'`,
  'A15 a lane that waits for a link until later has said for which': `DELETE FROM link_waits`,
  'D2 an open run that does not hold its lane is parked': `UPDATE runs SET state = 1 WHERE key = 'f'`,
  'D2 a run that awaits something is not running, and has not ended': `UPDATE runs SET awaits = 'timer' WHERE state = 10`,
  'D9 a run that has ended says so of its steps': `UPDATE steps SET state = 1 WHERE step = 'sale'`,
  'D9 nothing is undone in a run that goes forward': `UPDATE steps SET state = 12 WHERE step = 'invoice'`,
  'D4 an owner is alive': `UPDATE workers SET dead = true`,
  'D4 a group without an owner has no running run': `UPDATE lane_groups SET owner = NULL`,
  'D2 a position lies within the log': `UPDATE positions SET position = 1000`,
  'D4 a suspect is dated': `UPDATE lane_groups SET suspect_to = 5`,
  'D2e due but not taken': `UPDATE lanes SET next_at = now() - interval '2 min' WHERE key = 'c'`,
  'D2f pending': `INSERT INTO events SELECT max(seq) + 1, 'x', 'x', min(type), NULL, 0, max(received_at), '1', '{}' FROM events;
    UPDATE events SET received_at = received_at - interval '2 min'`,
}

it.each(Object.entries(breakages))('notices when this is broken: %s', async (name, statements) => {
  const { sql, plain } = await brokenBy(statements)
  expect(sql.map(nameOf)).toContain(name)
  expect(plain).toEqual(sql)
})

it('every invariant has been broken here once', () => {
  const names = [...sqlInvariants, ...sqlOverdue].map(({ name }) => name)
  expect(Object.keys(breakages).sort()).toEqual(names.sort())
})

it('notices a lost acknowledgement, a doubled effect and a broken order in what the harness saw', async () => {
  await query(`BEGIN; ${harnessTables};
    INSERT INTO acked SELECT source, id, seq FROM events;
    INSERT INTO sink VALUES ('erp', 'f', 'k', 1, 'key-1', 'send', now(), now(), true), ('erp', 'f', 'k', 2, 'key-2', 'send', now() + interval '1 s', now(), true)`)
  try {
    expect(await brokenInSql(query, harnessInvariants)).toEqual([])
    await query(`INSERT INTO acked VALUES ('lost', 'lost', 1);
      INSERT INTO sink VALUES ('erp', 'f', 'k', 1, 'key-1', 'send', now() + interval '2 s', now(), true),
                              ('erp', 'f', 'k', 0, 'key-0', 'send', now() + interval '3 s', now(), false)`)
    expect(await brokenInSql(query, harnessInvariants)).toEqual([
      'D1 what was acknowledged is in the log, at the place that was told: lost lost at 1',
      'D4 an idempotency key has at most one effect: key-1',
      'D5 first arrivals of a lane come in log order: f, key k: 0 arrived after 2',
    ])
  } finally {
    await query('ROLLBACK')
  }
})

import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { brokenInSql, sqlInvariants } from '../../test/chaos/invariants.sql.ts'
import { done, event, flushOf, ownedGroup, publishKeys, row, unique } from '../testing/journal-under-test.ts'
import type { JournalUnderTest } from '../testing/journal-under-test.ts'
import { sqlJournalUnderTest } from '../testing/sql-journal-under-test.ts'
import type { Database } from './database.ts'
import { openDatabase } from './database.ts'
import type { Journal } from './port.ts'
import { runState } from './port.ts'
import { openJournal } from './sql-journal.ts'

// What happens while another session stands still between two of its statements: only raw connections can show it.

const url = process.env['BUSBAR_TEST_DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const schema = `locks_${randomBytes(6).toString('hex')}`
const held: pg.Client[] = []
let world: JournalUnderTest
let journal: Journal
let looking: Database

beforeAll(async () => {
  looking = openDatabase({ url, schema, applicationName: 'locks', maxConnections: 3 })
  const open = (worker: string) => openJournal({ url, schema, worker, maxConnections: 3, migrate: true })
  const sessions = [await open('one'), await open('two')]
  journal = sessions[0] as Journal
  world = sqlJournalUnderTest({
    sessions,
    database: looking,
    violations: () => brokenInSql((text) => looking.query({ text }), sqlInvariants),
    close: async () => {
      await Promise.all(sessions.map((session) => session.close()))
      await looking.query({ text: `DROP SCHEMA ${schema} CASCADE` })
      await looking.close()
    },
  })
})

afterAll(async () => {
  await Promise.all(held.map((client) => client.end()))
  await world.close()
})

/** A connection that is held by hand; errors after it was ended from outside are expected. */
async function connect(applicationName: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName })
  client.on('error', () => undefined)
  await client.connect()
  await client.query(`SET search_path = ${schema}`)
  held.push(client)
  return client
}

/** Resolves when a session of this schema's journals waits for a lock that `client` holds. */
async function untilBlockedBy(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  for (;;) {
    const waiting = await looking.query({
      text: 'SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))',
      values: [rows[0]?.pid],
    })
    if (waiting.length > 0) return
  }
}

const appendText = `SELECT prev, head, dup_seq FROM append(1, 'held', $1, 'test', 'k', '{1}', '{}', '{}')`

it('A2: nothing is read past an append that has not committed, and nothing of it is skipped afterwards', async () => {
  const before = await journal.head()
  const slow = await connect('slow')
  await slow.query('BEGIN')
  await slow.query(appendText, ['slow'])
  const fast = journal.append([event()])
  await untilBlockedBy(slow)
  expect(await journal.head()).toBe(before)
  await slow.query('COMMIT')
  expect(await fast).toMatchObject({ prev: before + 1, head: before + 2 })
  const window = {
    after: before,
    upTo: before + 2,
    types: ['test'],
    part: 0,
    parts: 1,
    limit: 10,
    maxBytes: 1_000,
  }
  expect((await journal.read(window)).events.map((each) => each.seq)).toEqual([before + 1, before + 2])
})

it('A3: an append that waited for the same identity to be committed calls it a duplicate', async () => {
  const slow = await connect('slow')
  await slow.query('BEGIN')
  const { rows } = await slow.query<{ head: string }>(appendText, ['twin'])
  const twin = journal.append([event({ source: 'held', id: 'twin', key: 'k' }), event()])
  await untilBlockedBy(slow)
  await slow.query('COMMIT')
  const { results } = await twin
  expect(results[0]).toEqual({ kind: 'duplicate', seq: Number(rows[0]?.head) })
  expect(results[1]?.kind).toBe('stored')
})

it('A3: an append whose place was rolled back takes no notice of it', async () => {
  const slow = await connect('slow')
  await slow.query('BEGIN')
  await slow.query(appendText, ['rolled back'])
  const next = journal.append([event({ source: 'held', id: 'rolled back' })])
  await untilBlockedBy(slow)
  await slow.query('ROLLBACK')
  const { prev, results } = await next
  expect(results).toEqual([{ kind: 'stored', seq: prev + 1 }])
})

it('A3: REPEATABLE READ is refused: its snapshot would be older than the lock', async () => {
  const client = await connect('repeatable')
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await expect(client.query(appendText, ['never'])).rejects.toThrow('READ COMMITTED')
  await client.query('ROLLBACK')
})

it('A3: columns of unequal length are refused', async () => {
  const client = await connect('unequal')
  const text = `SELECT append(2, $1, $1, $1, $1, '{1,2}', $1, '{}')`
  await expect(client.query(text, ['a\x1eb'])).rejects.toMatchObject({ code: '22023' })
})

it('receives no event earlier than the one before it, also when the machine’s clock was set back', async () => {
  await looking.query({
    text: `INSERT INTO events SELECT max(seq) + 1, 'future', 'future', 't', NULL, 0, now() + interval '1 h', '1', '{}' FROM events`,
  })
  const { receivedAt } = await journal.append([event()])
  expect(receivedAt).toBeGreaterThan((await world.snapshot()).at + 3_500_000)
  expect(await world.violations()).toEqual([])
})

it('A5: a lane whose row is deleted while a flush waits for it is made again', async () => {
  const owned = await ownedGroup(world)
  const [a, b] = await publishKeys(owned, ['k', 'k'])
  await journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: runState.parked })] }))
  const operator = await connect('operator')
  await operator.query('BEGIN')
  await operator.query('SELECT FROM lanes WHERE grp = $1 FOR UPDATE', [owned.group])
  const flush = journal.flush(flushOf(owned, { runs: [row(owned, b!)] }))
  await untilBlockedBy(operator)
  await operator.query(`SELECT act_on_run($1::smallint, $2, 0::smallint, 'skip', 'ada', '')`, [
    owned.flow.id,
    a!.seq,
  ])
  await operator.query('COMMIT')
  expect(await flush).toBe('ok')
  expect(await world.violations()).toEqual([])
  expect(
    await journal.claim({
      group: owned.group,
      part: 0,
      epoch: owned.lease.epoch,
      keys: ['k'],
      maxRuns: 9,
      maxBytes: 9,
    }),
  ).toHaveLength(1)
})

it('an act on a run that has ended waits for its lane before it touches the run', async () => {
  const owned = await ownedGroup(world)
  const [a] = await publishKeys(owned, ['k'])
  await journal.flush(flushOf(owned, { done: [done(owned, a!)] }))
  const owner = await connect('owner')
  await owner.query('BEGIN')
  await owner.query('SELECT lock_lanes($1, $2, $3)', [owned.group, ['k'], [a!.khash]])
  const text = `SELECT result FROM act_on_run($1::smallint, $2, 0::smallint, 'compensate', 'ada', '')`
  const act = looking.query({ text, values: [owned.flow.id, a!.seq] })
  await untilBlockedBy(owner)
  const run = `SELECT grp FROM runs WHERE flow = $1 AND seq = $2 FOR UPDATE NOWAIT`
  expect((await owner.query(run, [owned.flow.id, a!.seq])).rows).toEqual([{ grp: null }])
  await owner.query('ROLLBACK')
  expect(await act).toEqual([{ result: 'refused' }])
  expect(await world.violations()).toEqual([])
})

it('A8: a registration waits for a flush that moves the position, and counts from a head behind it', async () => {
  const owned = await ownedGroup(world)
  const slow = await connect('slow')
  await slow.query('BEGIN')
  await slow.query('SELECT FROM flows WHERE id = $1 FOR SHARE', [owned.flow.id])
  const { name, group } = owned.flow
  const newer = {
    name,
    group,
    ord: 0,
    types: [owned.type, 'new'],
    steps: [],
    ordering: 'arrival',
    onParked: 'hold',
  }
  const registered = world.sessions[1]!.registerFlows([{ ...newer, start: 'now' }])
  await untilBlockedBy(slow)
  const { head } = await journal.append([event({ type: 'new' })])
  await slow.query('COMMIT')
  expect((await registered)[0]?.types).toContainEqual({ type: 'new', after: head })
})

it('a registration that changes the partitions takes them in their order, as flushes of several do', async () => {
  const group = unique('g')
  const [slow, registering] = [await connect('slow'), await connect('registering')]
  const register = (partitions: number) =>
    registering.query(
      `SELECT register_flow('${group}', '${group}', 0, '{test}', '{}', 'now', 0, ${partitions})`,
    )
  await register(4)
  // The first is the last as they lie on disk, and this session reads them so.
  await looking.query({
    text: 'UPDATE lane_groups SET epoch = epoch WHERE grp = $1 AND part = 0',
    values: [group],
  })
  await registering.query('SET enable_seqscan = on; SET enable_indexscan = off; SET enable_bitmapscan = off')
  const lock = 'SELECT FROM lane_groups WHERE grp = $1 AND part = $2 FOR SHARE'
  await slow.query('BEGIN')
  await slow.query(lock, [group, 1])
  const registered = register(8)
  await untilBlockedBy(slow)
  const isLocked = (part: number) =>
    looking.query({ text: `${lock} NOWAIT`, values: [group, part] }).then(
      () => false,
      () => true,
    )
  expect([await isLocked(0), await isLocked(2), await isLocked(3)]).toEqual([true, false, false])
  await slow.query('COMMIT')
  await registered
})

it.each([
  ['a fence', `SELECT FROM lane_groups WHERE owner = $1 FOR SHARE`],
  [
    'a lane and the append lock',
    `SELECT pg_advisory_xact_lock(('events'::regclass::oid::bigint << 16) | 1), $1::text`,
  ],
])('A12: a takeover ends a stopped client that holds %s, at once', async (_what, text) => {
  const owned = await ownedGroup(world, { leaseMs: 1 })
  const [a] = await publishKeys(owned, ['k'])
  await journal.flush(flushOf(owned, { runs: [row(owned, a!, { state: runState.running })] }))
  const stopped = await connect(`busbar:${owned.worker}`)
  const ended = new Promise<void>((resolve) => stopped.once('end', () => resolve()))
  await stopped.query('BEGIN')
  await stopped.query(text, [owned.worker])
  await stopped.query('SELECT FROM lanes WHERE grp = $1 FOR UPDATE', [owned.group])
  await world.advance(5)
  const before = performance.now()
  expect(await world.sessions[1]!.takeover(owned.worker)).toBe(true)
  await journal.append([event()])
  expect(performance.now() - before).toBeLessThan(1_000)
  await ended
})

it('a group that is being taken over is not lost to the worker that is dying', async () => {
  const owned = await ownedGroup(world, { leaseMs: 60_000 })
  await journal.release(owned.worker, owned.lease)
  const slow = await connect('slow')
  await slow.query('BEGIN')
  await slow.query(`UPDATE workers SET lease_until = now() - interval '1 s' WHERE id = $1`, [owned.worker])
  await slow.query('SELECT takeover($1)', [owned.worker])
  const late = journal.acquire(owned.worker, owned.group, 0)
  await untilBlockedBy(slow)
  await slow.query('COMMIT')
  expect(await late).toBeUndefined()
  expect(await world.violations()).toEqual([])
})

it('pins the settings of every connection', async () => {
  const names = [
    'synchronous_commit',
    'default_transaction_isolation',
    'lock_timeout',
    'search_path',
    'TimeZone',
  ]
  const rows = await looking.query<{ name: string; setting: string }>({
    text: 'SELECT name, setting FROM pg_settings WHERE name = ANY ($1)',
    values: [names],
  })
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
    synchronous_commit: 'on',
    default_transaction_isolation: 'read committed',
    lock_timeout: '5000',
    search_path: schema,
    TimeZone: 'UTC',
  })
})

import pg from 'pg'
import { saturation } from '../measures/saturation.ts'
import type { Rig } from '../rig.ts'
import { now, sleep } from '../traffic/clock.ts'
import type { Amounts, Case, Figures, Workload } from './workload.ts'

const arrivingPerSecond = 100

/** W3: what a backlog costs: while it is worked off, and while it waits before a system that is paused. */
export const backlog: Workload = {
  name: 'backlog',
  title: 'W3: a backlog',
  systems: ['busbar'],
  columns: [
    { key: 'deliveriesPerSecond', title: 'deliveries/s', digits: 0 },
    { key: 'emptyPerSecond', title: 'without a backlog', digits: 0 },
    { key: 'kept', title: 'kept', digits: 2 },
    { key: 'pending', title: 'pending', digits: 0 },
    { key: 'ownMemoryMb', title: 'MB its own', digits: 0 },
    { key: 'emptyMemoryMb', title: 'without a backlog', digits: 0 },
  ],
  cases: () => [workedOff, paused],
  // What waits before a paused system is put into the journal in a given PostgreSQL.
  fits: ({ name }, one) => one === workedOff || name === 'busbar' || name === 'busbar-rabbitmq',
}

/** All three targets are down until so much is pending; then it is worked off while more arrives. */
const workedOff: Case = {
  name: 'worked off',
  async measure(rig, amounts) {
    const empty = await saturation(rig, amounts)
    for (const target of [0, 1, 2]) await rig.targets({ ask: 'down', target })
    const pending = await pile(rig, Math.ceil(amounts.pending / rig.perEvent))
    for (const target of [0, 1, 2]) await rig.targets({ ask: 'up', target })
    const found = await underWay(rig, amounts.seconds)
    if ((await rig.drained()) > 0) throw new Error('the backlog is not worked off after ten minutes')
    return against(empty, { ...found, pending: pending * rig.perEvent })
  },
}

/** Sends so many events, however many of them wait. */
async function pile(rig: Rig, events: number): Promise<number> {
  const { accepted } = await rig.generator({ do: 'count' })
  const stop = await rig.saturate({ lead: Number.MAX_SAFE_INTEGER, upTo: accepted + events })
  while ((await rig.generator({ do: 'count' })).accepted < accepted + events) await sleep(100)
  await stop()
  return events
}

/** Measured from when the first ten thousand are through, so that breakers have closed, while more arrives. */
async function underWay(rig: Rig, seconds: number): Promise<Figures> {
  const { count } = await rig.targets({ ask: 'count' })
  const arriving = rig.generator({
    do: 'paced',
    perSecond: arrivingPerSecond,
    seconds: seconds + 5,
    timed: false,
  })
  while ((await rig.targets({ ask: 'count' })).count < count + 10_000) await sleep(20)
  const [from, fromAt] = [(await rig.targets({ ask: 'count' })).count, now()]
  await sleep(seconds * 1_000)
  const [to, toAt] = [(await rig.targets({ ask: 'count' })).count, now()]
  const ownMemoryMb = rig.memoryMb().own
  await arriving
  return { deliveriesPerSecond: (to - from) / ((toAt - fromAt) / 1_000), ownMemoryMb }
}

/** Events that wait before a paused system, while all others go on. */
const paused: Case = {
  name: 'before a paused system',
  shape: { withPaused: true },
  async measure(rig, amounts) {
    const empty = await saturation(rig, amounts)
    await addPaused(rig, amounts)
    const full = await saturation(rig, amounts)
    const deliveriesPerSecond = (full['eventsPerSecond'] ?? NaN) * rig.perEvent
    return against(empty, {
      deliveriesPerSecond,
      ownMemoryMb: full['ownMemoryMb'] ?? NaN,
      pending: amounts.pending,
    })
  },
}

function against(empty: Figures, found: Figures): Figures {
  const emptyPerSecond = (empty['eventsPerSecond'] ?? NaN) * 3
  return {
    ...found,
    emptyPerSecond,
    emptyMemoryMb: empty['ownMemoryMb'] ?? NaN,
    kept: (found['deliveriesPerSecond'] ?? NaN) / emptyPerSecond,
  }
}

async function addPaused({ surroundings: { url, schema } }: Rig, { pending }: Amounts): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` })
  await client.connect()
  try {
    await client.query(
      "UPDATE systems SET paused = true, version = version + 1 WHERE name = 'backlog-target'",
    )
    await client.query(
      `INSERT INTO events (seq, source, id, type, key, khash, received_at, data, ext)
       SELECT head.seq + n, 'urn:bench:old', n::text, 'bench.order.old', 'SO-' || n % 10000, n % 1000, clock_timestamp(),
              '{"number":"SO-1","revision":1,"customer":"C","note":"' || repeat('x', 900) || '"}', '{}'
       FROM generate_series(1, $1::int) n, (SELECT coalesce(max(seq), 0) AS seq FROM events) head`,
      [pending],
    )
    await client.query('ANALYZE events')
  } finally {
    await client.end()
  }
}

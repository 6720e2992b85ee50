import pg from 'pg'
import { saturation } from '../measures/saturation.ts'
import type { Rig } from '../rig.ts'
import type { Amounts, Figures, Workload } from './workload.ts'

/** W4: what years of finished events cost, and what an event takes on disk. */
export const growth: Workload = {
  name: 'growth',
  title: 'W4: finished events in the journal',
  systems: ['busbar'],
  columns: [
    { key: 'eventsPerSecond', title: 'events/s', digits: 0 },
    { key: 'cpuPer1000', title: 'CPU s per 1,000', digits: 3 },
    { key: 'serverCpuPer1000', title: 'of that PostgreSQL', digits: 3 },
    { key: 'diskKbPerEvent', title: 'KB on disk an event', digits: 2 },
    { key: 'memoryMb', title: 'MB', digits: 0 },
  ],
  cases: ({ finished }) =>
    finished.map((count) => ({ name: `${count} finished`, shape: { finished: count }, measure })),
  fits: ({ name }) => name === 'busbar', // only the journal in a given PostgreSQL can be filled
}

async function measure(rig: Rig, amounts: Amounts): Promise<Figures> {
  const before = { bytes: await bytesOf(rig), events: (await rig.snapshot()).delivered }
  const found = await saturation(rig, amounts)
  const events = (await rig.snapshot()).delivered - before.events
  return { ...found, diskKbPerEvent: ((await bytesOf(rig)) - before.bytes) / 1_024 / events }
}

/** All tables of the journal with their indexes. */
async function bytesOf({ surroundings: { url, schema } }: Rig): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class
     WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'`,
    [schema],
  )
  await client.end()
  return Number(rows[0]?.bytes)
}

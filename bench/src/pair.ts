/**
 * `node bench/src/pair.ts <another dist> [--rounds 3] [--seconds 12]`: two builds of busbar, this checkout's and another,
 * at saturation at the same time, each with a generator and targets of its own. The machine is as slow for the one as for
 * the other, so a difference of some percent in the CPU of an event shows, which runs one after the other hide: the same
 * build twice gave 1.00 and 1.01, in a run of 6 s 0.88. PostgreSQL is shared, and not counted.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startTestServices } from '../../scripts/test-services.ts'
import { busbar } from './contestants/busbar.ts'
import { Child } from './machine/child.ts'
import { whole } from './options.ts'
import { ownPlace } from './own-place.ts'
import { rates } from './measures/saturation.ts'
import { defaultLoad, Rig } from './rig.ts'
import { sleep } from './traffic/clock.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '12' },
    warm: { type: 'string', default: '10' },
  },
})
const [other] = positionals
if (other === undefined)
  throw new Error('say which build to compare with: the dist folder of another checkout')
const builds = {
  here: new URL('../../dist/', import.meta.url).href,
  there: `${pathToFileURL(resolve(other)).href}/`,
}
const lead = 2_000
const rounds = whole('--rounds', values.rounds)
const seconds = whole('--seconds', values.seconds)
const warmSeconds = whole('--warm', values.warm)

interface Side {
  readonly rig: Rig
  readonly end: () => Promise<void>
}

const started = await startTestServices()
const url = started.env['BUSBAR_TEST_DATABASE_URL'] ?? ''
const client = new pg.Client({ connectionString: url })
await client.connect()
try {
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) ratios.push(await compare(round))
  process.stdout.write(
    `CPU of an event, here to there: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}\n`,
  )
} finally {
  await Child.killAll()
  await client.end()
  await started.stop()
}

/** One round; whoever starts first changes with each. */
async function compare(round: number): Promise<number> {
  const first = round % 2 === 0 ? (['here', 'there'] as const) : (['there', 'here'] as const)
  const sides = new Map<string, Side>()
  for (const name of first) sides.set(name, await start(builds[name]))
  const rigs = [...sides.values()].map(({ rig }) => rig)
  const stops = await Promise.all(rigs.map((rig) => rig.saturate({ lead })))
  await sleep(warmSeconds * 1_000)
  const before = await Promise.all(rigs.map((rig) => rig.snapshot()))
  await sleep(seconds * 1_000)
  const after = await Promise.all(rigs.map((rig) => rig.snapshot()))
  await Promise.all(stops.map((stop) => stop()))
  const microseconds: Record<string, number> = {}
  for (const [index, [name, { rig, end }]] of [...sides].entries()) {
    const [from, to] = [before[index], after[index]]
    if (!from || !to) continue
    const { eventsPerSecond = NaN, ownCpuPer1000 = NaN } = rates(from, to)
    microseconds[name] = ownCpuPer1000 * 1_000
    process.stdout.write(
      `${name}: ${Math.round(ownCpuPer1000 * 1_000)} µs, ${Math.round(eventsPerSecond)} events/s, ${Math.round(rig.memoryMb().own)} MB\n`,
    )
    await rig.drained()
    await end()
  }
  return (microseconds['here'] ?? NaN) / (microseconds['there'] ?? NaN)
}

async function start(build: string): Promise<Side> {
  const { schema, folder, remove } = await ownPlace(client)
  const rig = await Rig.start(busbar, {
    surroundings: { url, amqpUrl: '', schema, folder, profileIn: undefined },
    shape: { build },
    load: defaultLoad,
    perEvent: 3,
  })
  return {
    rig,
    async end() {
      await rig.stop()
      await remove()
    },
  }
}

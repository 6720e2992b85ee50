import pg from 'pg'
import type { Shape, System } from './contestants/contestant.ts'
import { Child } from './machine/child.ts'
import { processors } from './machine/proc.ts'
import { disturbedAbove } from './machine/quiet.ts'
import { ownPlace } from './own-place.ts'
import type { Run } from './report/results.ts'
import { defaultLoad, Rig } from './rig.ts'
import type { Snapshot } from './rig.ts'
import type { Amounts, Case } from './workloads/workload.ts'

export interface Services {
  readonly url: string
  readonly amqpUrl: string
}

export interface RunOptions {
  readonly services: Services
  readonly amounts: Amounts
  readonly shape: Shape
  readonly profileIn: string | undefined
}

type Measured = Pick<Run, 'figures' | 'repeats' | 'late' | 'wrong' | 'refused' | 'foreignShare' | 'disturbed'>

/** Measures a system once, in a schema and a folder of its own, and leaves nothing behind. */
export async function measureOnce(system: System, one: Case, options: RunOptions): Promise<Measured> {
  const { services, amounts, shape, profileIn } = options
  const client = new pg.Client({ connectionString: services.url })
  await client.connect()
  const { schema, folder, remove } = await ownPlace(client)
  let rig: Rig | undefined
  try {
    await client.query('CHECKPOINT') // what earlier runs have left to write is not this one's
    rig = await Rig.start(system, {
      surroundings: { ...services, schema, folder, profileIn },
      shape: { ...shape, ...one.shape },
      load: { ...defaultLoad, ...one.load },
      perEvent: one.perEvent ?? 3,
    })
    const before = await rig.snapshot()
    const figures = await one.measure(rig, amounts)
    const foreignShare = foreign(before, await rig.snapshot())
    const { repeats, late, wrong } = await rig.targets({ ask: 'count' })
    const { refused } = await rig.generator({ do: 'count' })
    return { figures, repeats, late, wrong, refused, foreignShare, disturbed: foreignShare > disturbedAbove }
  } finally {
    await rig?.stop()
    await Child.killAll() // what a start that has failed has left
    await remove()
    await client.end()
  }
}

/** What all others have used of the processors between two snapshots. */
function foreign(before: Snapshot, after: Snapshot): number {
  const known = (snapshot: Snapshot) => Object.values(snapshot.cpu).reduce((sum, seconds) => sum + seconds, 0)
  const others = after.busy - before.busy - (known(after) - known(before))
  return Math.max(0, others / ((after.at - before.at) / 1_000) / processors)
}

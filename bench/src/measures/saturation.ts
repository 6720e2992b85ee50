import type { Rig, Snapshot } from '../rig.ts'
import { now, sleep } from '../traffic/clock.ts'
import type { Figures } from '../workloads/workload.ts'

export interface SaturationOptions {
  readonly seconds: number
  readonly warmSeconds: number
  /** See the rig's. */
  readonly lead: number
}

/** What comes through when as much is sent as is delivered. All is counted over the same time; CPU with database and broker. */
export async function saturation(
  rig: Rig,
  { seconds, warmSeconds, lead }: SaturationOptions,
): Promise<Figures> {
  const stop = await rig.saturate({ lead })
  await sleep(warmSeconds * 1_000)
  const before = await rig.snapshot()
  await sleep(seconds * 1_000)
  const after = await rig.snapshot()
  const memory = rig.memoryMb()
  await stop()
  const stoppedAt = now()
  await arrivedAll(rig)
  return {
    ...rates(before, after),
    memoryMb: memory.own + memory.servers,
    ownMemoryMb: memory.own,
    drainSeconds: (now() - stoppedAt) / 1_000,
  }
}

/** What happened between two snapshots. */
export function rates(before: Snapshot, after: Snapshot): Figures {
  const span = (after.at - before.at) / 1_000
  const events = after.delivered - before.delivered
  const cpu = (part: keyof Snapshot['cpu']) => after.cpu[part] - before.cpu[part]
  return {
    eventsPerSecond: events / span,
    acceptedPerSecond: (after.accepted - before.accepted) / span,
    cpuPer1000: ((cpu('own') + cpu('servers')) / events) * 1_000,
    ownCpuPer1000: (cpu('own') / events) * 1_000,
    serverCpuPer1000: (cpu('servers') / events) * 1_000,
    harnessCpuPer1000: ((cpu('generator') + cpu('targets')) / events) * 1_000,
    generatorCpuPer1000: (cpu('generator') / events) * 1_000,
    targetsCpuPer1000: (cpu('targets') / events) * 1_000,
    benchCpuPer1000: (cpu('bench') / events) * 1_000,
  }
}

/** Throws when not all that was accepted arrives within ten minutes. */
export async function arrivedAll(rig: Rig): Promise<void> {
  const missing = await rig.drained()
  if (missing > 0) throw new Error(`${missing} deliveries are missing after ten minutes`)
}

import { backlog } from './backlog.ts'
import { calibrate } from './calibrate.ts'
import { fanOut } from './fan-out.ts'
import { growth } from './growth.ts'
import { outage } from './outage.ts'
import { processes } from './process.ts'
import { scale } from './scale.ts'
import { watched } from './watched.ts'
import type { Workload } from './workload.ts'

/** In the order of the report. */
export const workloads: readonly Workload[] = [
  fanOut,
  outage,
  backlog,
  growth,
  scale,
  processes,
  watched,
  calibrate,
]

/** The workloads of these names; throws with all names when there is another. */
export function workloadsOf(names: readonly string[]): Workload[] {
  return names.map((name) => {
    const workload = workloads.find((each) => each.name === name)
    if (!workload)
      throw new Error(`there is no workload ${name}: ${workloads.map((each) => each.name).join(', ')}`)
    return workload
  })
}

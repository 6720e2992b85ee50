import type { GroupLease } from '../journal/port.ts'
import type { LinksJournal } from '../journal/port-links.ts'
import type { Clock } from './clock.ts'
import type { FlowRuntime } from './run.ts'

/** What releasing lanes needs. */
export interface LinkReleasesDeps {
  readonly lease: GroupLease
  readonly journal: Pick<LinksJournal, 'releaseLinked' | 'tidyLinkWaits'>
  readonly clock: Clock
  readonly onLost: () => void
}

const maxLanes = 200
const maxTidied = 1_000
const tidyMs = 600_000

/** Whether a run of these flows can wait for a cross-reference. */
export function mayAwaitLinks(flows: readonly FlowRuntime[]): boolean {
  return flows.some(({ steps }) =>
    steps.some(({ definition }) => definition.kind === 'call' && definition.dependsOn !== undefined),
  )
}

/**
 * One look for lanes of the group whose cross-references have come, to be repeated: they are due afterwards. At the first
 * look, and every ten minutes, waits that are over without their link are forgotten.
 */
export function linkReleases({ lease, journal, clock, onLost }: LinkReleasesDeps): () => Promise<void> {
  const { group, part, epoch } = lease
  let tidyAt = Number.NEGATIVE_INFINITY
  return async () => {
    const now = clock.monotonic()
    if (now >= tidyAt) {
      const tidied = await journal.tidyLinkWaits({ group, part, epoch, limit: maxTidied })
      if (tidied === 'lost') return onLost()
      if (tidied < maxTidied) tidyAt = now + tidyMs
    }
    if ((await journal.releaseLinked({ group, part, epoch, limit: maxLanes })) === 'lost') onLost()
  }
}

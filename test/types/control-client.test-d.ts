/** Checked by `npm run types`: every `@ts-expect-error` must be an error, everything else must not. */
import { createControlClient } from '../../src/control/client.ts'
import type { RunDetail } from '../../src/control/schema/run.ts'
import type { Status } from '../../src/control/schema/overview.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => undefined

export async function calls(): Promise<void> {
  const client = createControlClient({ url: 'http://localhost' })
  same<Awaited<ReturnType<typeof client.status>>, Status>(true)
  same<Awaited<ReturnType<typeof client.getRun>>, RunDetail>(true)
  await client.getRun({ flow: 'book', seq: 1 })
  await client.listRuns()
  await client.listRuns({ state: 'open', limit: 5, from: '2026-01-01T00:00:00Z' })
  await client.retryRun({ flow: 'book', seq: 1, generation: 1, mayDouble: true, reason: 'looked' })
  // @ts-expect-error a skip needs a reason
  await client.skipRun({ flow: 'book', seq: 1 })
  // @ts-expect-error there is no such state
  await client.listRuns({ state: 'lost' })
  // @ts-expect-error which event?
  await client.getEvent()
  // @ts-expect-error there is no such operation
  void client.deleteRun
}

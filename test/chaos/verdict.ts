import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { judge, readRecords } from './checker.ts'
import type { Log } from './checker.ts'
import { ask } from './children.ts'
import { judgeDeals } from './deal-checker.ts'
import { dealRuns, logOf } from './journal-view.ts'
import { dealsOf } from './plan.ts'
import type { DealRecord, SinkRecord } from './sinks.ts'

/** What a run that has drained comes to. */
export interface RunVerdict {
  readonly violations: readonly string[]
  readonly checked: Readonly<Record<string, number>>
  /** Of the sinks, by kind. */
  readonly faults: Readonly<Record<string, number>>
  readonly requests: readonly (SinkRecord | DealRecord)[]
  readonly log: Log
}

/** Ends the recording of the sinks and compares what they saw, and what publishers were told, with the journal. */
export async function judgeRun(run: {
  readonly url: string
  /** Where `sinks` and `acks` are. */
  readonly folder: string
  readonly sinks: ChildProcess
  /** Orders; deals come on top. */
  readonly published: number
}): Promise<RunVerdict> {
  const { faults } = await ask<{ faults: Record<string, number> }>(run.sinks)
  const log = await logOf(run.url)
  const requests = readRecords<SinkRecord | DealRecord>(join(run.folder, 'sinks'))
  const isDeal = (request: SinkRecord | DealRecord): request is DealRecord => 'document' in request
  const verdict = judge({
    acks: readRecords(join(run.folder, 'acks')),
    requests: requests.filter((request) => !isDeal(request)),
    log,
    events: run.published + dealsOf(run.published),
  })
  const deals = judgeDeals({
    requests: requests.filter(isDeal),
    runs: await dealRuns(run.url),
    deals: [...log.keys()].filter((id) => !id.startsWith('e-')),
  })
  return {
    violations: [...verdict.violations, ...deals.violations],
    checked: { ...verdict.checked, ...deals.checked },
    faults,
    requests,
    log,
  }
}

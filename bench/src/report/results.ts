import { existsSync, readFileSync } from 'node:fs'
import type { Figures } from '../workloads/workload.ts'

/** One run of one system in one case. */
export interface Run {
  readonly workload: string
  readonly case: string
  readonly system: string
  readonly round: number
  readonly startedAt: string
  readonly figures: Figures
  /** Deliveries of what a target had already, deliveries that came after a later one of their key, bodies of another event. */
  readonly repeats: number
  readonly late: number
  readonly wrong: number
  /** Answers other than 2xx; each of those events was sent again. */
  readonly refused: number
  /** What others used of all processors meanwhile. */
  readonly foreignShare: number
  readonly disturbed: boolean
  /** It has failed: its figures are empty. */
  readonly error?: string
}

export interface Results {
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
  readonly seconds: number
  readonly runs: readonly Run[]
}

/** What an earlier invocation has written, so that more runs join it; undefined when there is nothing. */
export function readResults(path: string): Results | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results) : undefined
}

/** A system's figures in a case: medians of its rounds. */
export interface Summary {
  readonly system: string
  readonly figures: Figures
  readonly rounds: number
  readonly disturbed: number
  readonly failed: number
  readonly repeats: number
  readonly late: number
  readonly wrong: number
  readonly refused: number
}

/** In the order in which the systems were first measured. Disturbed rounds count where no others are. */
export function summaries(runs: readonly Run[]): Summary[] {
  return [...Map.groupBy(runs, ({ system }) => system)].map(([system, all]) => {
    const worked = all.filter(({ error }) => error === undefined)
    const quiet = worked.filter(({ disturbed }) => !disturbed)
    const sum = (what: 'repeats' | 'late' | 'wrong' | 'refused') =>
      worked.reduce((total, run) => total + run[what], 0)
    return {
      system,
      figures: medians((quiet.length > 0 ? quiet : worked).map(({ figures }) => figures)),
      rounds: worked.length,
      disturbed: worked.length - quiet.length,
      failed: all.length - worked.length,
      repeats: sum('repeats'),
      late: sum('late'),
      wrong: sum('wrong'),
      refused: sum('refused'),
    }
  })
}

function medians(all: readonly Figures[]): Figures {
  const names = new Set(all.flatMap((figures) => Object.keys(figures)))
  return Object.fromEntries([...names].map((name) => [name, median(all.map((each) => each[name] ?? NaN))]))
}

export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  if (sorted.length === 0) return NaN
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

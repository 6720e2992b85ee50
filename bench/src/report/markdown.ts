import type { System } from '../contestants/contestant.ts'
import type { Workload } from '../workloads/workload.ts'
import { summaries } from './results.ts'
import type { Results, Run, Summary } from './results.ts'

interface Known {
  readonly workloads: readonly Workload[]
  readonly systems: ReadonlyMap<string, System>
}

/** All that was measured, as tables. */
export function markdownOf(results: Results, known: Known): string {
  const versions = Object.entries(results.versions).map(([name, version]) => `${name} ${version}`)
  const chapters = known.workloads.flatMap((workload) => {
    const runs = results.runs.filter((run) => run.workload === workload.name)
    return runs.length === 0 ? [] : chapter(workload, runs, known.systems)
  })
  return [
    '# Measured',
    `${results.machine}; ${versions.join(', ')}. ${results.seconds} s a figure, everything on this machine. Medians.`,
    ...chapters,
    '',
  ].join('\n\n')
}

/** One case: the systems under each other. Several: a table for each system, with the cases under each other. */
function chapter(workload: Workload, runs: readonly Run[], systems: Known['systems']): string[] {
  const title = (system: string) => systems.get(system)?.title ?? system
  const cases = [...Map.groupBy(runs, (run) => run.case)]
  if (cases.length === 1 && cases[0]?.[0] === 'all') {
    const rows = summaries(runs).map((each) => ({ label: title(each.system), against: 'busbar', ...each }))
    return [`## ${workload.title}`, table(workload, rows, 'of busbar'), ...errors(runs)]
  }
  const tables = [...Map.groupBy(runs, ({ system }) => system)].flatMap(([system, own]) => [
    `### ${title(system)}`,
    table(workload, rowsOfCases(workload, own), 'of the first'),
    ...errors(own),
  ])
  return [`## ${workload.title}`, ...tables]
}

interface Row extends Summary {
  readonly label: string
  /** The name of the row that it is compared with. */
  readonly against: string
}

/** In the place of a system's name that of the case; each is compared with the first of its kind. */
function rowsOfCases(workload: Workload, runs: readonly Run[]): Row[] {
  const kind = (name: string) => name.split(' ').at(-1)?.replace(/s$/, '')
  const names = [...new Set(runs.map((run) => run.case))]
  return names.flatMap((name) => {
    const against = names.find((other) => kind(other) === kind(name)) ?? name
    const own = runs.filter((run) => run.case === name).map((run) => ({ ...run, system: name }))
    return summaries(own).map((each) => ({ label: name, against, ...each }))
  })
}

function table(workload: Workload, all: readonly Row[], compared: string): string {
  const shown = workload.columns.filter(({ key }) => all.some(({ figures }) => Number.isFinite(figures[key])))
  const main = workload.compared ?? workload.columns[0]?.key ?? ''
  const head = ['', ...shown.map(({ title }) => title), compared, 'out of order', 'repeated', 'rounds']
  const rows = all.map((each) => [
    each.label,
    ...shown.map(({ key, digits }) => figure(each.figures[key], digits)),
    ratio(each.figures[main], all.find(({ system }) => system === each.against)?.figures[main]),
    whole(each.late),
    whole(each.repeats),
    rounds(each),
  ])
  return [head, head.map((_, index) => (index === 0 ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function rounds({ rounds: count, disturbed, failed, wrong, refused }: Summary): string {
  const remarks = [
    disturbed > 0 && `${disturbed} disturbed`,
    failed > 0 && `${failed} failed`,
    wrong > 0 && `${wrong} wrong bodies`,
    refused > 0 && `${refused} refused`,
  ].filter(Boolean)
  return [String(count), ...remarks].join(', ')
}

const errors = (runs: readonly Run[]) =>
  runs.flatMap(({ system, round, error }) =>
    error === undefined ? [] : [`${system}, round ${round}, has failed: ${error}`],
  )

export function figure(value: number | undefined, digits: number): string {
  if (value === undefined || !Number.isFinite(value)) return ''
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

const whole = (value: number) => figure(value, 0)

function ratio(value: number | undefined, of: number | undefined): string {
  return value === undefined || of === undefined ? '' : figure(value / of, 2)
}

import type { System } from '../contestants/contestant.ts'
import type { Column, Workload } from '../workloads/workload.ts'
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

function chapter(workload: Workload, runs: readonly Run[], systems: Known['systems']): string[] {
  const cases = [...Map.groupBy(runs, (run) => run.case)]
  return [
    `## ${workload.title}`,
    ...cases.flatMap(([name, ofCase]) => [
      ...(cases.length > 1 || name !== 'all' ? [`### ${name}`] : []),
      table(workload.columns, summaries(ofCase), systems),
      ...errors(ofCase),
    ]),
  ]
}

function table(columns: readonly Column[], all: readonly Summary[], systems: Known['systems']): string {
  const first = all.find(({ system }) => system === 'busbar')
  const shown = columns.filter(({ key }) => all.some(({ figures }) => Number.isFinite(figures[key])))
  const main = shown[0]?.key ?? ''
  const head = ['', ...shown.map(({ title }) => title), 'of busbar', 'out of order', 'repeated', 'rounds']
  const rows = all.map((each) => [
    systems.get(each.system)?.title ?? each.system,
    ...shown.map(({ key, digits }) => figure(each.figures[key], digits)),
    ratio(each.figures[main], first?.figures[main]),
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

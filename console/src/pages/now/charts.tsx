import type { Answer } from '../../api.ts'
import { Card } from '../../parts/card.tsx'
import { Chart, Legend } from '../../parts/chart.tsx'
import { counted } from '../../parts/measure.tsx'
import { clock } from '../../parts/time.tsx'

type Now = Answer<'now'>
type Charts = Now['charts']

const accepted = { name: 'accepted', token: '--ink-1', kind: 'line' } as const
const finished = { name: 'runs finished', token: '--run', kind: 'dashed' } as const

/** Events in, runs done; systems that were cut off are marked. */
export function Throughput({ charts }: { readonly charts: Charts }) {
  const { slices, sliceMinutes, marks, from } = charts
  // The last slice is not over: what it has come to so far is taken for the rest of it.
  const elapsed = (at: string) =>
    Math.max(0.5, Math.min(sliceMinutes, (Date.parse(charts.until) - Date.parse(at)) / 60_000))
  const perMinute = (value: number, at: string) => Math.round((value / elapsed(at)) * 10) / 10
  const total = slices.reduce((sum, slice) => sum + slice.accepted, 0)
  const done = slices.reduce((sum, slice) => sum + slice.finished, 0)
  return (
    <Card title="Throughput, a minute" aside={<Legend of={[accepted, finished]} />}>
      <Chart
        label={`${counted(total, 'event')} accepted and ${counted(done, 'run')} finished since ${clock(from)}`}
        heightPx={176}
        at={slices.map(({ at }) => at)}
        series={[
          { ...accepted, filled: true, values: slices.map((slice) => perMinute(slice.accepted, slice.at)) },
          { ...finished, values: slices.map((slice) => perMinute(slice.finished, slice.at)) },
        ]}
        marks={marksOf(marks)}
      />
    </Card>
  )
}

function marksOf(marks: Charts['marks']) {
  return marks
    .filter(({ kind }) => kind === 'cut-off')
    .map(({ at, label }) => ({ at, text: `${clock(at)} ${label} cut off` }))
}

/** Calls that spoke against a system: of those that are cut off, and of the others. */
export function FailedAttempts({
  charts,
  systems,
}: {
  readonly charts: Charts
  readonly systems: Now['systems']
}) {
  const { slices, sliceMinutes, failed, from } = charts
  const out = new Set(systems.filter(({ breaker }) => breaker !== 'closed').map(({ name }) => name))
  const sum = (rows: Charts['failed']) =>
    slices.map((_, place) => rows.reduce((total, { counts }) => total + (counts[place] ?? 0), 0))
  const cutOff = failed.filter(({ system }) => out.has(system))
  const others = failed.filter(({ system }) => !out.has(system))
  const all = sum(failed)
  const total = all.reduce((one, other) => one + other, 0)
  const series = [
    ...(cutOff.length > 0
      ? [
          {
            name: cutOff.map(({ label }) => label).join(', '),
            token: '--park',
            kind: 'bars',
            values: sum(cutOff),
            drawn: all,
          } as const,
        ]
      : []),
    {
      name: cutOff.length > 0 ? 'others' : 'all systems',
      token: '--retry',
      kind: 'bars',
      values: sum(others),
    } as const,
  ]
  return (
    <Card
      title={`Failed attempts, per ${sliceMinutes === 1 ? 'minute' : `${sliceMinutes} minutes`}`}
      aside={<Legend of={series} />}
    >
      <Chart
        label={`${counted(total, 'failed attempt')} since ${clock(from)}`}
        heightPx={94}
        at={slices.map(({ at }) => at)}
        series={series}
      />
    </Card>
  )
}

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
  const whole = slices.slice(0, -1) // the last one is not over
  const perMinute = (value: number) => Math.round((value / sliceMinutes) * 10) / 10
  const total = whole.reduce((sum, slice) => sum + slice.accepted, 0)
  const done = whole.reduce((sum, slice) => sum + slice.finished, 0)
  return (
    <Card title="Throughput, a minute" aside={<Legend of={[accepted, finished]} />}>
      <Chart
        label={`${counted(total, 'event')} accepted and ${counted(done, 'run')} finished since ${clock(from)}`}
        heightPx={176}
        at={whole.map(({ at }) => at)}
        series={[
          { ...accepted, filled: true, values: whole.map((slice) => perMinute(slice.accepted)) },
          { ...finished, values: whole.map((slice) => perMinute(slice.finished)) },
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
            values: all,
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

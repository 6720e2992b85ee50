import type { Answer } from '../../api.ts'
import { Chart, Legend } from '../../parts/chart.tsx'
import { counted } from '../../parts/measure.tsx'
import { isCutOff } from '../../parts/system-words.ts'
import { clock, lengthOf } from '../../parts/time.tsx'

type History = Answer<'systemHistory'>
type Detail = Answer<'getSystem'>

interface Stretch {
  readonly from: number
  readonly until: number
  readonly tone: 'ok' | 'park' | 'rest'
}

const toneAfter: Readonly<Record<string, Stretch['tone'] | undefined>> = {
  'cut-off': 'park',
  connected: 'ok',
  paused: 'rest',
  resumed: 'ok',
}

/** Connected, cut off and paused as stretches of the day. */
function stretches({ from, until, changes, standingBefore }: History): Stretch[] {
  const all: Stretch[] = []
  let at = Date.parse(from)
  let tone: Stretch['tone'] =
    standingBefore === 'cut-off' ? 'park' : standingBefore === 'paused' ? 'rest' : 'ok'
  for (const change of [...changes].reverse()) {
    const next = toneAfter[change.kind]
    const moment = Date.parse(change.at)
    if (next === undefined) continue
    all.push({ from: at, until: moment, tone })
    at = moment
    tone = next
  }
  return [...all, { from: at, until: Date.parse(until), tone }]
}

/** The breaker's day: a bar that is interrupted where the system was cut off. */
export function Day({ history, system }: { readonly history: History; readonly system: Detail }) {
  const all = stretches(history)
  const whole = Date.parse(history.until) - Date.parse(history.from)
  const out = all.filter(({ tone }) => tone === 'park')
  const outMs = out.reduce((sum, { from, until }) => sum + until - from, 0)
  const times = out.length === 1 ? 'once' : `${out.length} times`
  const words =
    out.length === 0 ? 'It was never cut off.' : `It was cut off ${times}, for ${lengthOf(outMs)} in all.`
  return (
    <div>
      <h3>Connected or cut off</h3>
      <p className="dim small">{words}</p>
      <div className="day-bar" role="img" aria-label={words}>
        {all.map(({ from, until, tone }) => (
          <i key={from} data-tone={tone} style={{ flexGrow: Math.max(0.002, (until - from) / whole) }} />
        ))}
      </div>
      <div className="day-ends">
        <span>{clock(history.from)}</span>
        {isCutOff(system) && (
          <b className="tone" data-tone="park">
            cut off since {clock(system.changedAt)}
          </b>
        )}
        <span>now</span>
      </div>
    </div>
  )
}

const lines = [
  { name: 'p95 ms', token: '--ink-1', kind: 'line' },
  { name: 'p50 ms', token: '--ink-3', kind: 'dashed' },
] as const
const failures = { name: 'failed calls', token: '--park', kind: 'bars' } as const

/** How long answers took, and which calls failed. */
export function Latency({ history }: { readonly history: History }) {
  const { from, until, sliceMinutes, slices, changes } = history
  const stepMs = sliceMinutes * 60_000
  const first = Math.ceil(Date.parse(from) / stepMs) * stepMs
  const known = new Map(slices.map((slice) => [Date.parse(slice.at), slice]))
  const at: number[] = []
  for (let moment = first; moment <= Date.parse(until); moment += stepMs) at.push(moment)
  const calls = slices.reduce((sum, slice) => sum + slice.calls, 0)
  const failed = slices.reduce((sum, slice) => sum + slice.failed, 0)
  const moments = at.map((moment) => new Date(moment).toISOString())
  const values = (of: 'p95' | 'p50') => at.map((moment) => known.get(moment)?.[of] ?? null)
  return (
    <>
      <div>
        <div className="use">
          <h3>Latency</h3>
          <Legend of={lines} />
        </div>
        <Chart
          label={`How long ${counted(calls, 'call')} took in the last 24 hours, in milliseconds`}
          heightPx={130}
          at={moments}
          series={[
            { ...lines[0], filled: true, values: values('p95') },
            { ...lines[1], values: values('p50') },
          ]}
          marks={changes
            .filter(({ kind }) => kind === 'cut-off')
            .slice(0, 3)
            .reverse()
            .map((change) => ({ at: change.at, text: `${clock(change.at)} cut off` }))}
        />
      </div>
      <div>
        <div className="use">
          <h3>Failed calls, per {sliceMinutes} minutes</h3>
          <Legend of={[failures]} />
        </div>
        <Chart
          label={`${counted(failed, 'failed call')} of ${counted(calls, 'call')} in the last 24 hours`}
          heightPx={90}
          at={moments}
          series={[{ ...failures, values: at.map((moment) => known.get(moment)?.failed ?? 0) }]}
        />
      </div>
    </>
  )
}

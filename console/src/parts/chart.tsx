import type { ReactNode } from 'react'
import { lazy, Suspense } from 'react'
import { clock } from './time.tsx'
import { count } from './measure.tsx'

/** One line or row of bars over time; null: there is nothing at that moment. */
export interface Series {
  readonly name: string
  /** The colour's token: `--ink-1`. */
  readonly token: string
  readonly values: readonly (number | null)[]
  /** What is drawn in their place, where bars stand on others. */
  readonly drawn?: readonly number[]
  readonly kind?: 'line' | 'dashed' | 'bars'
  readonly filled?: boolean
}

/** A moment that is marked with a line and a word. */
export interface ChartMark {
  readonly at: string
  readonly text: string
}

export interface ChartProps {
  /** What the picture says, as a sentence. */
  readonly label: string
  /** RFC 3339, one for each value, rising. */
  readonly at: readonly string[]
  readonly series: readonly Series[]
  readonly marks?: readonly ChartMark[]
  readonly heightPx: number
}

const Canvas = lazy(() => import('./chart-canvas.tsx'))

/** Values over time: a picture with a sentence as its label, and the same as a table behind it. Drawn when it is needed. */
export function Chart(props: ChartProps) {
  return (
    <>
      <div
        className="chart-box"
        role="img"
        aria-label={props.label}
        style={{ height: `${props.heightPx}px` }}
      >
        <Suspense fallback={null}>
          <Canvas {...props} />
        </Suspense>
      </div>
      <ChartTable {...props} />
    </>
  )
}

/** What the lines of a chart mean. */
export function Legend({
  of,
}: {
  readonly of: readonly Pick<Series, 'name' | 'token' | 'kind'>[]
}): ReactNode {
  return (
    <span className="legend">
      {of.map(({ name, token, kind = 'line' }) => (
        <span key={name}>
          <svg viewBox="0 0 18 8" aria-hidden="true" style={{ color: `var(${token})` }}>
            {kind === 'bars' ? (
              <rect width="18" height="8" rx="1.5" fill="currentColor" />
            ) : (
              <path
                d="M0 4H18"
                stroke="currentColor"
                strokeWidth="1.6"
                {...(kind === 'dashed' && { strokeDasharray: '4 2.5' })}
              />
            )}
          </svg>
          {name}
        </span>
      ))}
    </span>
  )
}

function ChartTable({ at, series, label }: ChartProps) {
  const rows = at.map((moment, place) => ({
    moment,
    values: series.map(({ values }) => values[place] ?? null),
  }))
  const busy = rows.filter(({ values }) => values.some((value) => value !== null && value !== 0)).reverse()
  return (
    <details className="as-table">
      <summary>As a table</summary>
      <div className="scroll" tabIndex={0} role="region" aria-label={label}>
        <table className="table dense">
          <thead>
            <tr>
              <th>From</th>
              {series.map(({ name }) => (
                <th key={name} className="num">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {busy.map(({ moment, values }) => (
              <tr key={moment}>
                <td>{clock(moment)}</td>
                {values.map((value, place) => (
                  <td key={series[place]?.name ?? place} className="num">
                    {value === null ? '' : count(value)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {busy.length === 0 && <p className="faint small">Nothing in this time.</p>}
      </div>
    </details>
  )
}

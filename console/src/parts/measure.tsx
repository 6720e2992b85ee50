import type { Tone } from './state.tsx'

/** How much of a limit is used, 0 to 1; the words say the same. */
export function Meter({
  used,
  label,
  tone,
}: {
  readonly used: number
  readonly label: string
  readonly tone?: Tone
}) {
  const percent = Math.round(Math.min(1, Math.max(0, used)) * 100)
  return (
    <span className="meter" role="img" aria-label={label} data-tone={tone}>
      <i style={{ width: `${percent}%` }} />
    </span>
  )
}

interface ProgressProps {
  readonly total: number
  readonly done: number
  readonly failed?: number
  readonly running?: number
  readonly label: string
}

/** How far a long act is: done, failed, under way. */
export function Progress({ total, done, failed = 0, running = 0, label }: ProgressProps) {
  const share = (part: number) => ({ width: `${total === 0 ? 0 : (part / total) * 100}%` })
  return (
    <div
      className="progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={done + failed}
    >
      <i style={share(done)} />
      {failed > 0 && <i className="bad" style={share(failed)} />}
      {running > 0 && <i className="now" style={share(running)} />}
    </div>
  )
}

/** A small line without axes; what it says stands beside it in words. */
export function Sparkline({
  values,
  tone = 'rest',
}: {
  readonly values: readonly number[]
  readonly tone?: Tone
}) {
  const top = Math.max(1, ...values)
  const step = values.length > 1 ? 100 / (values.length - 1) : 100
  const points = values.map(
    (value, index) => `${(index * step).toFixed(1)} ${(26 - (value / top) * 24).toFixed(1)}`,
  )
  const line = `M${points.join('L')}`
  return (
    <svg
      className="spark"
      data-tone={tone}
      viewBox="0 0 100 28"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path className="fill" d={`${line}L100 28L0 28Z`} />
      <path d={line} />
    </svg>
  )
}

const grouped = new Intl.NumberFormat('en-US')

/** A number with thousands commas. */
export function count(value: number): string {
  return grouped.format(value)
}

/** `1 order`, `312 orders`, `no orders`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return value === 0 ? `no ${many}` : `${count(value)} ${value === 1 ? one : many}`
}

import type { Tone } from './state.tsx'

/** Small bars of equal width, the last one now; what they say stands beside them in words. */
export function Bars({
  values,
  tone = 'rest',
}: {
  readonly values: readonly number[]
  readonly tone?: Tone
}) {
  const top = Math.max(1, ...values)
  const width = 100 / values.length
  return (
    <svg
      className="spark"
      data-tone={tone}
      viewBox="0 0 100 28"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {values.map((value, index) => {
        const height = value === 0 ? 0.6 : Math.max(3, (value / top) * 26)
        return (
          <rect
            key={index}
            x={index * width + width * 0.1}
            y={28 - height}
            width={width * 0.8}
            height={height}
            opacity={value === 0 ? 0.3 : 1}
          />
        )
      })}
    </svg>
  )
}

import { Link } from '@tanstack/react-router'

const spans = [
  { name: 'live', words: 'Live' },
  { name: 'hour', words: 'Last hour' },
  { name: 'day', words: '24 hours' },
]

/** Of which time the rates are; it stands in the address. */
export function Span({ current }: { readonly current: string }) {
  return (
    <span className="seg">
      {spans.map(({ name, words }) => (
        <Link
          key={name}
          to="."
          search={(before: Record<string, unknown>) => ({ ...before, span: name })}
          {...(current === name && { 'aria-current': 'true' as const })}
        >
          {words}
        </Link>
      ))}
    </span>
  )
}

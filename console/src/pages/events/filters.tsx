import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import type { Input } from '../../api.ts'

const names = ['key', 'type', 'source', 'state', 'within', 'before'] as const
type Name = (typeof names)[number]
type Filters = Readonly<Partial<Record<Name, string>>>

const lengthsMs: Readonly<Record<string, number>> = {
  'last hour': 3_600_000,
  'last day': 86_400_000,
  'last week': 604_800_000,
}

/** The filters as the address has them, and as the control API takes them. */
export function useFilters() {
  const search: Readonly<Record<string, unknown>> = useSearch({ strict: false })
  const navigate = useNavigate()
  const filters = Object.fromEntries(
    names.flatMap((name) => {
      const value = search[name] as string | number | undefined
      return value === undefined ? [] : [[name, `${value}`]]
    }),
  ) as Filters
  const { within, before, ...plain } = filters
  const since = within === undefined ? undefined : lengthsMs[within]
  // Told anew when the filter changes, not each time the list is drawn.
  const from = useMemo(
    () => (since === undefined ? undefined : new Date(Date.now() - since).toISOString()),
    [since],
  )
  const change = (next: Readonly<Record<string, string | undefined>>) =>
    void navigate({
      to: '.',
      search: (old: Record<string, unknown>) => ({ ...old, ...next }),
    } as never)
  return {
    filters,
    query: {
      ...plain,
      ...(from !== undefined && { from }),
      ...(before !== undefined && { before: Number(before) }),
    } as NonNullable<Input<'listEvents'>>,
    isFiltered: names.some((name) => name !== 'before' && filters[name] !== undefined),
    /** A changed filter begins with the newest again. */
    set: (name: Name, value: string | undefined) =>
      change(name === 'before' ? { before: value } : { [name]: value, before: undefined }),
    clear: () => change(Object.fromEntries(names.map((name) => [name, undefined]))),
  }
}

interface ChoiceProps {
  readonly name: string
  readonly value: string | undefined
  readonly options: readonly string[]
  readonly onChange: (value: string | undefined) => void
}

/** A filter: one of these, or any. */
export function Choice({ name, value, options, onChange }: ChoiceProps) {
  const all = value === undefined || options.includes(value) ? options : [value, ...options]
  return (
    <label className="chip choice">
      <span className="by">{name}</span>
      <select value={value ?? ''} onChange={(event) => onChange(event.target.value || undefined)}>
        <option value="">any</option>
        {all.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  )
}

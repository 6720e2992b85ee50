import { useEffect, useState } from 'react'
import { useKeys } from '../keyboard.ts'

/**
 * Moving through a list by keys: `J` and `K` move, `Enter` opens, `X` selects. Gives the row that is current, for
 * `aria-selected`, and what is selected.
 */
export function useRows<T>(
  items: readonly T[],
  { id, open }: { readonly id: (item: T) => string; readonly open?: (item: T) => void },
) {
  const [at, setAt] = useState(-1)
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const current = items[Math.min(at, items.length - 1)]
  const toggle = (item: T) =>
    setSelected((before) => {
      const next = new Set(before)
      if (!next.delete(id(item))) next.add(id(item))
      return next
    })
  useKeys({
    j: () => setAt((before) => Math.min(before + 1, items.length - 1)),
    k: () => setAt((before) => Math.max(before - 1, 0)),
    x: current && (() => toggle(current)),
    Enter: current && open && (() => open(current)),
  })
  useEffect(() => {
    document.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' })
  }, [at])
  return {
    current,
    isCurrent: (item: T) => current !== undefined && id(item) === id(current),
    selected,
    toggle,
    clear: () => setSelected(new Set()),
  }
}

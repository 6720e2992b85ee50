import { useEffect, useRef, useSyncExternalStore } from 'react'
import type { LucideIcon } from 'lucide-react'
import { useKeys } from '../keyboard.ts'
import type { Need } from '../may.ts'
import { whyNot } from '../may.ts'
import { useMe } from '../me.ts'

/** Something that can be done on this page: offered in the palette, and by its key. */
export interface Act extends Need {
  /** A verb with its object: "Retry 312 orders…". */
  readonly name: string
  readonly icon?: LucideIcon
  /** A single letter. */
  readonly key?: string
  readonly run: () => void
}

let offered: readonly (readonly Act[])[] = []
const listeners = new Set<() => void>()

function change(next: readonly (readonly Act[])[]): void {
  offered = next
  for (const listener of listeners) listener()
}

/** Offers acts while the component is there, to those who may do them; those left out or `undefined` are not possible now. */
export function useActs(acts: readonly (Act | false | undefined)[]): void {
  const me = useMe()
  const there = acts.filter(
    (act) => act !== false && act !== undefined && (!me || whyNot(me, act) === undefined),
  ) as readonly Act[]
  const names = there.map(({ name }) => name).join('\n')
  // The functions of the last time are the ones that are run; the list changes with the names only.
  const latest = useRef(there)
  useEffect(() => {
    latest.current = there
  })
  useEffect(() => {
    const mine =
      names === ''
        ? []
        : latest.current.map((act, index) => ({ ...act, run: () => latest.current[index]?.run() }))
    change([...offered, mine])
    return () => change(offered.filter((each) => each !== mine))
  }, [names, latest])
  useKeys(Object.fromEntries(there.flatMap(({ key, run }) => (key === undefined ? [] : [[key, run]]))))
}

/** What can be done now, the innermost first. */
export function useOfferedActs(): readonly Act[] {
  const all = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    () => offered,
  )
  return all.toReversed().flat()
}

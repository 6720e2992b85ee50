import { isDeepStrictEqual } from 'node:util'
import { isObject } from './marked-fields.ts'
import { redacted } from './secrets.ts'

/** Data as a person was shown it, what the person has made of it, and what it really was. */
interface Versions {
  readonly edited: unknown
  readonly shown: unknown
  readonly original: unknown
}

/** The data with what was hidden put back; or, as a JSON pointer, where it is not clear what that is. */
export type Restored = { readonly value: unknown } | { readonly unclear: string }

/**
 * Puts what was hidden back into data that a person has edited: where it still says `[redacted]`. The items of a list
 * are recognised by what was shown of them, wherever they stand now; one that was edited is its namesake at the same place
 * where the list has as many items as before. A guess is never made.
 */
export function restoreMarked(versions: Versions, at = ''): Restored {
  const { edited, shown, original } = versions
  if (edited === redacted) return shown === redacted ? { value: original } : { unclear: at }
  if (Array.isArray(edited)) return restoreItems(edited, versions, at)
  if (!isObject(edited)) return { value: edited }
  const entries: [string, unknown][] = []
  for (const [name, each] of Object.entries(edited)) {
    const inner = { edited: each, shown: fieldOf(shown, name), original: fieldOf(original, name) }
    const restored = restoreMarked(inner, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    if ('unclear' in restored) return restored
    entries.push([name, restored.value])
  }
  return { value: Object.fromEntries(entries) }
}

function fieldOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function restoreItems(edited: readonly unknown[], versions: Versions, at: string): Restored {
  const shown = itemsOf(versions.shown)
  const original = itemsOf(versions.original)
  const items: unknown[] = []
  for (const [index, item] of edited.entries()) {
    const place = placeOf(item, index, { edited, shown, original })
    const restored = restoreMarked(
      { edited: item, shown: shown[place], original: original[place] },
      `${at}/${index}`,
    )
    if ('unclear' in restored) return restored
    items.push(restored.value)
  }
  return { value: items }
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

interface Lists {
  readonly edited: readonly unknown[]
  readonly shown: readonly unknown[]
  readonly original: readonly unknown[]
}

/** Which item of the original it is; -1: that is not known. */
function placeOf(item: unknown, index: number, { edited, shown, original }: Lists): number {
  const alike = shown.flatMap((each, place) => (isDeepStrictEqual(each, item) ? [place] : []))
  const [first] = alike
  const sameLength = edited.length === shown.length
  if (first !== undefined) {
    const isOne = alike.every((place) => isDeepStrictEqual(original[place], original[first]))
    if (isOne) return first
    // Those that look alike have stayed where they were, as far as can be seen.
    const stayed = sameLength && alike.every((place) => isDeepStrictEqual(edited[place], item))
    return stayed && alike.includes(index) ? index : -1
  }
  const movedAway = edited.some((each) => isDeepStrictEqual(each, shown[index]))
  return sameLength && !movedAway ? index : -1
}

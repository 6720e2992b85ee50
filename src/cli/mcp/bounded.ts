import { isRawJSON } from '../../control/exact-json.ts'

/** How much of a value is kept: items of each list, characters of each text, characters of its JSON as a whole. */
export interface Bounds {
  readonly items: number
  readonly text: number
  readonly total: number
}

const usual: Bounds = { items: 50, text: 2_000, total: 24_000 }
const fewest = 40

/**
 * The value with long lists and texts cut, until its JSON has at most `total` characters. A cut text ends in `…`; a cut
 * list ends in a text that says how many there were. What is left above the bound at the end is replaced by a text.
 */
export function bounded(value: unknown, bounds: Bounds = usual): unknown {
  const { total } = bounds
  for (
    let { items, text } = bounds;
    text >= fewest;
    items = Math.ceil(items / 2), text = Math.floor(text / 2)
  ) {
    const kept = cut(value, { items, text })
    if (JSON.stringify(kept ?? null).length <= total) return kept
  }
  return 'left out: it is too large; ask for a smaller part of it'
}

function cut(value: unknown, bounds: Omit<Bounds, 'total'>): unknown {
  if (typeof value === 'string') return short(value, bounds.text)
  if (typeof value !== 'object' || value === null || isRawJSON(value)) return value
  if (Array.isArray(value)) {
    const kept = value.slice(0, bounds.items).map((each) => cut(each, bounds))
    return value.length > bounds.items ? [...kept, `… ${bounds.items} of ${value.length}`] : kept
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, cut(each, bounds)]))
}

/** The beginning of a text: at most `most` characters. */
export function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

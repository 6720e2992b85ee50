/** A plain value inside of data, and where it stands. */
export interface Field {
  readonly path: readonly (string | number)[]
  readonly name: string
  readonly value: string | number | boolean | null
}

/** Most fields that a form shows; the rest is edited as text. */
const most = 60

/** The plain values of data, in their order; numbers that a double cannot hold are left to the text. */
export function fieldsOf(data: unknown, path: readonly (string | number)[] = []): Field[] {
  if (data === null || ['string', 'number', 'boolean'].includes(typeof data))
    return [{ path, name: nameOf(path), value: data as Field['value'] }]
  if (typeof data !== 'object') return []
  if (Array.isArray(data))
    return data.flatMap((each, index) => fieldsOf(each, [...path, index])).slice(0, most)
  if (Object.getPrototypeOf(data) === null) return []
  return Object.entries(data)
    .flatMap(([name, each]) => fieldsOf(each, [...path, name]))
    .slice(0, most)
}

function nameOf(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (name, part) => (typeof part === 'number' ? `${name}[${part}]` : name === '' ? part : `${name}.${part}`),
    '',
  )
}

/** The same data with another value at a place. */
export function withValue(data: unknown, path: readonly (string | number)[], value: Field['value']): unknown {
  const [first, ...rest] = path
  if (first === undefined) return value
  if (Array.isArray(data))
    return data.map((each, index): unknown => (index === first ? withValue(each, rest, value) : each))
  const object = data as Readonly<Record<string, unknown>>
  return { ...object, [first]: withValue(object[first], rest, value) }
}

/** What was typed, as the kind of value that stood there before; an empty field that had no value has none. */
export function typed(text: string, before: Field['value']): Field['value'] {
  if (typeof before === 'number')
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
  if (typeof before === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (before === null) return text === '' ? null : text
  return text
}

/** JSON, as far as schemas need it. */
type Json = Readonly<Record<string, unknown>>

/** A name of a component in AsyncAPI and OpenAPI. */
export function componentName(type: string): string {
  return type.replaceAll(/[^\w.-]/g, '_')
}

/**
 * Schemas as components of a larger document: definitions inside of them become components of their own, named after
 * the type, and references follow.
 */
export function components(types: readonly { readonly type: string; readonly schema: Json | null }[]): Json {
  return Object.fromEntries(
    types.flatMap(({ type, schema }) => {
      const name = componentName(type)
      const { $schema: _, $id: _id, $defs, ...own } = schema ?? {}
      const moved = (value: unknown) => withReferences(value, name)
      const inner = Object.entries(($defs ?? {}) as Json)
      return [
        [name, moved(own)],
        ...inner.map(([part, each]) => [`${name}.${componentName(part)}`, moved(each)]),
      ]
    }),
  ) as Json
}

function withReferences(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value.map((each) => withReferences(each, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([word, each]) => [
      word,
      word === '$ref' && typeof each === 'string' ? referenceIn(each, name) : withReferences(each, name),
    ]),
  )
}

function referenceIn(reference: string, name: string): string {
  if (reference === '#') return `#/components/schemas/${name}`
  const [, part] = /^#\/\$defs\/(.+)$/.exec(reference) ?? []
  return part === undefined ? reference : `#/components/schemas/${name}.${componentName(part)}`
}

const deepest = 6

/** A value that the schema may accept: its own example or default where it has one, otherwise made up. */
export function exampleOf(schema: Json | null): unknown {
  return schema === null ? {} : make(schema, { root: schema, depth: 0, name: '' })
}

interface Place {
  readonly root: Json
  readonly depth: number
  readonly name: string
}

function make(schema: unknown, place: Place): unknown {
  if (typeof schema !== 'object' || schema === null || place.depth > deepest) return null
  const given = schema as Json
  const [example] = (given['examples'] as unknown[] | undefined) ?? []
  const [choice] = (given['enum'] as unknown[] | undefined) ?? []
  for (const own of [example, given['default'], given['const'], choice]) if (own !== undefined) return own
  if (typeof given['$ref'] === 'string') return make(target(given['$ref'], place.root), deeper(place))
  for (const word of ['anyOf', 'oneOf', 'allOf']) {
    const [first] = (given[word] as unknown[] | undefined) ?? []
    if (first !== undefined) return make(first, deeper(place))
  }
  return ofKind(given, place)
}

function deeper(place: Place): Place {
  return { ...place, depth: place.depth + 1 }
}

function target(reference: string, root: Json): unknown {
  return reference
    .split('/')
    .slice(1)
    .reduce<unknown>((inner, part) => (inner as Json | undefined)?.[part], root)
}

function ofKind(schema: Json, place: Place): unknown {
  const {
    type,
    properties,
    required = [],
    items,
  } = schema as {
    readonly type?: unknown
    readonly properties?: Json
    readonly required?: readonly string[]
    readonly items?: unknown
  }
  switch (Array.isArray(type) ? (type as unknown[])[0] : (type ?? (properties ? 'object' : undefined))) {
    case 'object':
      return Object.fromEntries(
        Object.entries(properties ?? {})
          .filter(([name]) => required.includes(name) || place.depth === 0)
          .map(([name, each]) => [name, make(each, { ...deeper(place), name })]),
      )
    case 'array':
      return items === undefined ? [] : [make(items, deeper(place))]
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'boolean':
      return true
    case 'string':
      return textOf(schema, place.name)
    default:
      return null
  }
}

function numberOf({ minimum, exclusiveMinimum, maximum }: Json): number {
  const least = Math.max(
    1,
    typeof minimum === 'number' ? minimum : -Infinity,
    typeof exclusiveMinimum === 'number' ? exclusiveMinimum + 1 : -Infinity,
  )
  return typeof maximum === 'number' ? Math.min(least, maximum) : least
}

const byFormat: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  time: '12:00:00',
  email: 'somebody@example.com',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
  ipv4: '192.0.2.1',
}

function textOf({ format, minLength, maxLength }: Json, name: string): string {
  const known = typeof format === 'string' ? byFormat[format] : undefined
  if (known !== undefined) return known
  const least = typeof minLength === 'number' ? Math.min(minLength, 100) : 0
  const most = typeof maxLength === 'number' ? maxLength : 100
  return (name === '' ? 'text' : name).padEnd(least, 'x').slice(0, Math.max(0, most))
}

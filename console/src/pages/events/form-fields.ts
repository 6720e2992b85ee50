/** A field of the form. */
export interface FormField {
  readonly path: readonly string[]
  readonly name: string
  readonly kind: 'text' | 'number' | 'json'
  readonly choices: readonly string[] | undefined
  readonly hint: string | undefined
  readonly needed: boolean
}

type Schema = Readonly<Record<string, unknown>>

const mostFields = 40
const deepest = 3

/** The fields of a JSON Schema, objects opened; lists, and what has several shapes, are written as JSON. None: write it all as JSON. */
export function fieldsOf(schema: Schema | null): FormField[] {
  if (schema === null || schema['type'] !== 'object') return []
  return opened(schema, { root: schema, path: [], needed: true }).slice(0, mostFields)
}

interface Place {
  readonly root: Schema
  readonly path: readonly string[]
  readonly needed: boolean
}

function opened(schema: Schema, place: Place): FormField[] {
  const required = (schema['required'] as readonly string[] | undefined) ?? []
  return Object.entries((schema['properties'] as Record<string, Schema> | undefined) ?? {}).flatMap(
    ([name, each]) => {
      const inner = resolved(each, place.root)
      const here = {
        root: place.root,
        path: [...place.path, name],
        needed: place.needed && required.includes(name),
      }
      return inner['type'] === 'object' && inner['properties'] && here.path.length < deepest
        ? opened(inner, here)
        : [field(inner, here)]
    },
  )
}

function field(schema: Schema, { path, needed }: Place): FormField {
  const choices = schema['enum']
  const texts = Array.isArray(choices) && choices.every((each) => typeof each === 'string')
  const { type } = schema
  return {
    path,
    name: path.join('.'),
    kind: type === 'string' ? 'text' : type === 'number' || type === 'integer' ? 'number' : 'json',
    choices: texts ? choices : undefined,
    hint: typeof schema['description'] === 'string' ? schema['description'] : hintOf(schema),
    needed,
  }
}

function hintOf(schema: Schema): string | undefined {
  const { type, format, sensitive } = schema
  if (sensitive === true) return 'never shown again'
  if (typeof format === 'string') return format
  return type === 'array' || type === 'boolean' || type === undefined ? 'JSON' : undefined
}

function resolved(schema: Schema, root: Schema): Schema {
  const reference = schema['$ref']
  if (typeof reference !== 'string') return schema
  const found = reference
    .split('/')
    .slice(1)
    .reduce<unknown>((inner, part) => (inner as Schema | undefined)?.[part], root)
  return (found ?? {}) as Schema
}

/** The value at a path; undefined where there is none. */
export function valueAt(data: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) => (inner as Record<string, unknown> | null | undefined)?.[name],
    data,
  )
}

/** A copy with this value at the path; undefined takes it out. */
export function withValue(data: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined) return value
  const object = typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {}
  return { ...object, [name]: withValue(object[name], rest, value) }
}

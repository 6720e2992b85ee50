import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { FieldPath } from './marked-fields.ts'

/** JSON Schema, as far as anybody here looks into it. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** As of Standard JSON Schema 1.0: libraries that have it can say their schemas as JSON Schema. */
interface Converts {
  readonly '~standard': {
    readonly jsonSchema?: {
      readonly input: (options: {
        readonly target: 'draft-2020-12'
        readonly libraryOptions?: Record<string, unknown>
      }) => Record<string, unknown>
    }
  }
}

/**
 * What a publisher gives, as JSON Schema 2020-12; undefined where the schema's library cannot say it (it does not know
 * Standard JSON Schema, or the schema has what JSON Schema lacks).
 */
export function jsonSchemaOf(schema: StandardSchemaV1): JsonSchema | undefined {
  const { jsonSchema } = (schema as unknown as Converts)['~standard']
  try {
    return jsonSchema?.input({ target: 'draft-2020-12', libraryOptions: { unrepresentable: 'any' } })
  } catch {
    return undefined // it has something that JSON Schema has no word for
  }
}

/** The fields whose schema says `sensitive: true`, as `.meta({ sensitive: true })` of zod makes it. */
export function sensitivePaths(schema: JsonSchema | undefined): FieldPath[] {
  if (schema === undefined) return []
  const found: FieldPath[] = []
  look(schema, { root: schema, at: [], open: new Map(), found })
  return found
}

interface Place {
  readonly root: JsonSchema
  readonly at: FieldPath
  /** Definitions that this place lies in, with where each began. */
  readonly open: ReadonlyMap<string, number>
  readonly found: FieldPath[]
}

const alternatives = ['anyOf', 'oneOf', 'allOf'] as const

function look(schema: unknown, place: Place): void {
  if (typeof schema !== 'object' || schema === null) return
  const { $ref, sensitive, properties, items, prefixItems, additionalProperties, ...rest } =
    schema as JsonSchema
  if (sensitive === true) return mark(place)
  if (typeof $ref === 'string') follow($ref, place)
  for (const [name, each] of Object.entries(properties ?? {})) look(each, down(place, name))
  for (const each of [items, prefixItems, additionalProperties].flat()) look(each, down(place, '*'))
  for (const word of alternatives)
    for (const each of (rest[word] as unknown[] | undefined) ?? []) look(each, place)
}

function down(place: Place, name: string): Place {
  return { ...place, at: [...place.at, name] }
}

/** A definition that lies in itself may come at any depth, so what is marked in it is marked at any depth below its beginning. */
function mark({ at, open, found }: Place): void {
  found.push(at)
  const first = Math.min(...open.values())
  if (Number.isFinite(first)) found.push([...at.slice(0, first), '**', ...at.slice(first)])
}

function follow(reference: string, place: Place): void {
  if (place.open.has(reference)) return
  const parts = reference.split('/').slice(1)
  const target = parts.reduce<unknown>(
    (inner, part) =>
      (inner as Record<string, unknown> | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')],
    place.root,
  )
  look(target, { ...place, open: new Map([...place.open, [reference, place.at.length]]) })
}

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { BusbarError } from '../errors.ts'
import type { EchoDeclaration, EchoOptions } from './echo.ts'
import { echoDeclaration } from './echo.ts'
import type { FieldPath } from './marked-fields.ts'
import { parseFieldPath } from './marked-fields.ts'
import { checkName } from './name.ts'
import { jsonSchemaOf, sensitivePaths } from './sensitive-schema.ts'

/**
 * The declaration of an event type: its schema, its key, its version. What `defineEvent` returns; `In` is what a
 * publisher gives, `Out` what a flow receives after the schema has run (they differ when it has defaults or transforms).
 */
export interface EventContract<Type extends string = string, In = unknown, Out = In> {
  readonly kind: 'event'
  readonly type: Type
  readonly schema: StandardSchemaV1<In, Out>
  /** The business object the event is about; order is kept per key. `undefined` means no key, hence no order. */
  key(data: Out): string | undefined
  /** The contract's version, sent as CloudEvents `dataschema` when it is a URI; for people otherwise. */
  readonly version: string
  /** What people call the object that the event is about, in the singular: `'order'`. */
  readonly noun?: string
  /** How an echo of our own write is recognised among these events. */
  readonly echo?: EchoDeclaration<Out>
  /** Fields of the data that are never shown; from `redact`, and from `sensitive: true` in the schema. */
  readonly marked: readonly FieldPath[]
  /** Whether it says itself which object an event is about. */
  readonly keyed: boolean
}

/** An event as a flow sees it: the CloudEvents 1.0 attributes, and data that has passed the contract. */
export interface BusEvent<Type extends string = string, Data = unknown> {
  readonly id: string
  readonly source: string
  readonly type: Type
  readonly subject: string | undefined
  /** When it happened at the source (RFC 3339), if the source said. */
  readonly time: string | undefined
  /** The business object it is about, or undefined. */
  readonly key: string | undefined
  /** Its place in the log. */
  readonly seq: number
  /** When busbar accepted it, in milliseconds since 1970. */
  readonly receivedAt: number
  /** CloudEvents extension attributes such as `traceparent`, `correlationid`, `sequence`. */
  readonly extensions: Readonly<Record<string, string>>
  readonly data: Data
}

/** Any contract at all: contracts are invariant in their data, so only `any` accepts them all. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
export type AnyContract = EventContract<string, any, any>

/** The event that a flow receives for a contract. */
export type EventOf<C> =
  C extends EventContract<infer Type, infer _In, infer Out> ? BusEvent<Type, Out> : never

/**
 * Declares an event type. The schema is any Standard Schema (zod, valibot, arktype); events that do not pass it are
 * refused at the door with a pointer to each fault. `key` names the business object whose order is to be kept; without
 * it the CloudEvents `partitionkey`, then the `subject`, is the key. Fields that `redact` names, and those whose schema
 * says `sensitive: true` (`z.string().meta({ sensitive: true })`, of any library with Standard JSON Schema), are sent to
 * systems but never shown: not in logs, console, API, exports or error texts.
 *
 * @example
 * export const orderPlaced = defineEvent({
 *   type: 'shop.order.placed',
 *   schema: z.object({ number: z.string(), total: z.number() }),
 *   key: (order) => order.number,
 * })
 */
export function defineEvent<const Type extends string, S extends StandardSchemaV1>(spec: {
  readonly type: Type
  readonly schema: S
  readonly key?: (data: StandardSchemaV1.InferOutput<S>) => string | undefined
  readonly version?: string
  /** What people call the object that the event is about, in the singular: `'order'`; default: they read "event". */
  readonly noun?: string
  /** Which object of which system the event speaks of, so that the echo of our own write starts no run; default: every event does. */
  readonly echo?: EchoOptions<StandardSchemaV1.InferOutput<S>>
  /** Fields that are never shown, by path: `customer.iban`, `lines[].card`, `payments.*.token`. */
  readonly redact?: readonly string[]
}): EventContract<Type, StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>> {
  checkName('event type', spec.type, 255)
  if (typeof spec.schema?.['~standard']?.validate !== 'function')
    throw new BusbarError(
      'config.invalid',
      `event "${spec.type}" has no schema: give one of a library that knows Standard Schema (zod, valibot, arktype)`,
    )
  return {
    kind: 'event',
    type: spec.type,
    schema: spec.schema,
    key: spec.key ?? (() => undefined),
    version: spec.version ?? '1',
    ...(spec.noun !== undefined && { noun: checkNoun(spec) }),
    ...(spec.echo && { echo: echoDeclaration(spec.type, spec.echo) }),
    keyed: spec.key !== undefined,
    marked: [
      ...(spec.redact ?? []).map((path) => parseFieldPath(`event "${spec.type}": redact`, path)),
      ...sensitivePaths(jsonSchemaOf(spec.schema)),
    ],
  }
}

/** One word or a few: it stands in sentences. */
function checkNoun({ type, noun }: { readonly type: string; readonly noun?: string }): string {
  if (typeof noun === 'string' && /^[\p{L}\p{N}][\p{L}\p{N} '-]{0,39}$/u.test(noun)) return noun
  throw new BusbarError('config.invalid', `event "${type}": noun must be a word or a few, such as 'order'`)
}

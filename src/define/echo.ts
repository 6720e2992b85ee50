import { BusbarError } from '../errors.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import { inRange } from './range.ts'

/** The fields of an object in the words that both sides share: what is compared, so nothing that a system makes up itself. */
export type EchoFields = Readonly<Record<string, unknown>>

/**
 * What an inbound event speaks of, so that a change that busbar has made itself is recognised when the system tells of
 * it. `fields`, `version` or both: where both sides know a version, it alone decides.
 */
export interface EchoOptions<Data> {
  /** The system that sends the event, or its name. */
  readonly system: string | { readonly name: string }
  /** The object's id in that system; `undefined` when the event is about none. */
  readonly object: (data: Data) => string | number | undefined
  /** The object's fields after the change, as the step that writes them gives them in `writes`. */
  readonly fields?: (data: Data) => EchoFields | undefined
  /** The object's version after the change, as the step that wrote it reads it from the answer; another one for each change. */
  readonly version?: (data: Data) => string | number | undefined
  /** How long after the write its echo may come; default `'1h'`, at most 30 days. */
  readonly window?: Duration
}

/** The declaration with its defaults filled in. Methods, so that contracts of any data fit. */
export interface EchoDeclaration<Data = unknown> {
  readonly system: string
  object(data: Data): string | number | undefined
  fields(data: Data): EchoFields | undefined
  version(data: Data): string | number | undefined
  readonly windowMs: number
}

/** What a step writes: the object, by the id that the system's own events give it, and its fields as `echo.fields` gives them. */
export interface Written {
  readonly object: string | number
  /** May be left out where the step has a `version`. */
  readonly fields?: EchoFields
}

/** Throws `config.invalid` when it could never recognise anything. */
export function echoDeclaration<Data>(type: string, options: EchoOptions<Data>): EchoDeclaration<Data> {
  const { system, object, fields, version, window = '1h' } = options
  const told = (problem: string) => new BusbarError('config.invalid', `event "${type}", "echo": ${problem}`)
  const name: unknown = typeof system === 'string' ? system : (system as { name?: unknown } | undefined)?.name
  if (typeof name !== 'string' || name === '')
    throw told('"system" is missing: the system that sends the event')
  if (typeof object !== 'function')
    throw told('"object" is missing: the function that gives the id of the object')
  if (!fields && !version) throw told('give "fields", "version" or both: what an echo is recognised by')
  const windowMs = inRange(`event "${type}", "echo.window" in ms`, durationMs(window), {
    from: 1_000,
    to: 30 * 86_400_000,
  })
  return {
    system: name,
    object,
    fields: fields ?? (() => undefined),
    version: version ?? (() => undefined),
    windowMs,
  }
}

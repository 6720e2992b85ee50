import { randomUUID } from 'node:crypto'
import type { Config } from '../define/config.ts'
import type { EventContract } from '../define/event.ts'
import type { Appended, NewEvent } from '../journal/port.ts'
import { acceptEvent } from './event-input.ts'
import { conflictOf } from './faults.ts'
import { jsonOf } from './json-of.ts'

/** What a publisher in the same process may say beside the data. */
export interface PublishOptions {
  /** Identity together with `source`. Give one that a repeat would give again; generated otherwise, and then a repeat counts as new. */
  readonly id?: string
  /** Default `urn:busbar:hub:<name>`. */
  readonly source?: string
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  /** CloudEvents extensions, such as `traceparent`. */
  readonly extensions?: Readonly<Record<string, string>>
}

/** What became of it. */
export interface Published {
  readonly id: string
  readonly seq: number
  /** It was in the log already, with the same data. */
  readonly duplicate: boolean
}

/**
 * Publishes one event; resolves after the commit. Throws `event.invalid` with every fault, `event.conflict` when the
 * identity is taken by other data, `overloaded` and `journal.unavailable` when it is to be sent again with the same id.
 */
export async function publishEvent<Type extends string, In, Out>(
  publication: { contract: EventContract<Type, In, Out>; data: In; options: PublishOptions },
  deps: { readonly config: Config; readonly append: (event: NewEvent) => Promise<Appended> },
): Promise<Published> {
  const { contract, data, options } = publication
  const { text, value } = jsonOf(data, deps.config)
  const event = await acceptEvent(
    {
      id: options.id ?? randomUUID(),
      source: options.source ?? `urn:busbar:hub:${deps.config.name}`,
      type: contract.type,
      subject: options.subject,
      time: options.time,
      extensions: options.extensions ?? {},
      data: text,
      value,
    },
    deps.config,
  )
  const appended = await deps.append(event)
  if (appended.kind === 'conflict') throw conflictOf(event, appended.seq)
  return { id: event.id, seq: appended.seq, duplicate: appended.kind === 'duplicate' }
}

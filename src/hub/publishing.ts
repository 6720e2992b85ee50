import type { Config } from '../define/config.ts'
import type { EventContract } from '../define/event.ts'
import { BusbarError } from '../errors.ts'
import type { Appender } from '../ingress/appender.ts'
import type { Published, PublishOptions } from '../ingress/publish.ts'
import { publishEvent } from '../ingress/publish.ts'
import type { PublishedInTransaction, TransactionOptions } from '../ingress/publish-in-transaction.ts'
import { publishInTransaction } from '../ingress/publish-in-transaction.ts'
import type { HubTracer } from './tracer.ts'

/** Publishes an event of the contract through this process' appender, as a part of its trace. Resolves after the commit. */
export function publishTo<Type extends string, In, Out>(
  hub: {
    readonly config: Config
    readonly appender: Appender
    readonly tracer: HubTracer | undefined
  },
  contract: EventContract<Type, In, Out>,
  { data, options }: { readonly data: In; readonly options: PublishOptions },
): Promise<Published> {
  const { config, appender, tracer } = hub
  const append = appender.append.bind(appender)
  const publish = (traceparent?: string) =>
    publishEvent({ contract, data, options: traced(options, traceparent) }, { config, append })
  return tracer ? tracer.publish(contract.type, options.extensions?.['traceparent'], publish) : publish()
}

/** Publishes with the caller's own transaction; needs no running hub. Throws `config.invalid` where the journal is elsewhere. */
export function publishWith<Type extends string, In, Out>(
  { name, http, journal }: Pick<Config, 'name' | 'http' | 'journal'>,
  contract: EventContract<Type, In, Out>,
  { data, options }: { readonly data: In; readonly options: PublishOptions & TransactionOptions },
): Promise<PublishedInTransaction> {
  if (journal.kind !== 'postgres')
    throw new BusbarError(
      'config.invalid',
      'publish with { tx } needs a journal in the PostgreSQL of that transaction: journal: postgres({ url })',
    )
  return publishInTransaction(contract, data, {
    source: `urn:busbar:hub:${name}`,
    schema: journal.schema,
    maxDataBytes: http.maxBodyBytes,
    maxDepth: http.maxDepth,
    ...options,
  })
}

/** The options with the trace that the event is part of. */
function traced(options: PublishOptions, traceparent: string | undefined): PublishOptions {
  return traceparent === undefined
    ? options
    : { ...options, extensions: { ...options.extensions, traceparent } }
}

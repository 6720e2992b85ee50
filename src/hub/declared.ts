import type { Declared, DeclaredType, TestPublication } from '../control/declared.ts'
import type { Config } from '../define/config.ts'
import type { AnyContract } from '../define/event.ts'
import { callsOf } from '../define/flow-builder.ts'
import { jsonSchemaOf } from '../define/sensitive-schema.ts'
import { acceptEvent } from '../ingress/event-input.ts'
import { conflictOf } from '../ingress/faults.ts'
import { jsonOf } from '../ingress/json-of.ts'
import type { Appended, NewEvent } from '../journal/port.ts'

/** What the configuration declares, as the control API tells it, and the door for test events. */
export function declaredBy(config: Config, append: (event: NewEvent) => Promise<Appended>): Declared {
  const accept = async (event: TestPublication) => acceptTest(event, config)
  return {
    name: config.name,
    types: [...config.contracts.values()].map((contract) => declaredType(contract, config)),
    sources: config.sources.map((source) => ({
      name: source.name,
      kind: source.kind,
      address: source.kind === 'webhook' ? `/in/${source.name}` : source.address,
    })),
    async check(event) {
      const { key } = await accept(event)
      return { key }
    },
    async publish(publication) {
      const event = await accept(publication)
      const { kind, seq } = await append(event)
      if (kind === 'conflict') throw conflictOf(event, seq)
      return { id: event.id, seq, duplicate: kind === 'duplicate', key: event.key }
    },
  }
}

function declaredType(contract: AnyContract, config: Config): DeclaredType {
  const { type, version, marked } = contract
  return {
    type,
    version,
    schema: jsonSchemaOf(contract.schema) ?? null,
    redacted: [...new Set(marked.map((path) => path.join('.').replaceAll('.*', '[]')))],
    keyed: contract.keyed,
    producers: config.sources.flatMap((source) =>
      source.kind === 'consumer' && source.contracts.includes(contract) ? [source.name] : [],
    ),
    consumers: config.flows
      .filter(({ events }) => events.includes(contract))
      .map((flow) => ({
        flow: flow.name,
        systems: [...new Set(callsOf(flow).map(({ system }) => system.name))],
      })),
    awaitedBy: [
      ...config.flows
        .filter(({ steps }) => steps.some((step) => step.kind === 'waitFor' && step.contract === contract))
        .map(({ name }) => name),
      ...config.expectations
        .filter(({ after, expected }) => after === contract || expected === contract)
        .map(({ name }) => name),
    ],
  }
}

async function acceptTest(
  { type, data, id, source, subject }: TestPublication,
  config: Config,
): Promise<NewEvent> {
  const { text, value } = jsonOf(data, config)
  return acceptEvent(
    { id, source, type, subject, extensions: { busbartest: 'true' }, data: text, value },
    config,
  )
}

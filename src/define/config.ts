import { BusbarError } from '../errors.ts'
import type { AccessConfig, AccessSettings } from './access-config.ts'
import { accessSettings } from './access-config.ts'
import type { AlertsConfig, AlertsSettings } from './alerts.ts'
import { alertsSettings } from './alerts.ts'
import type { ConsumerSource } from './consumer-source.ts'
import type { AnyContract } from './event.ts'
import type { Expectation } from './expectation.ts'
import type { Flow } from './flow.ts'
import { callsOf, eventsOf } from './flow-builder.ts'
import type { HttpConfig, HttpSettings } from './http-config.ts'
import { httpSettings } from './http-config.ts'
import type { JournalConfig } from './journal-config.ts'
import { embedded } from './journal-config.ts'
import type { LogConfig } from './log-config.ts'
import { logSettings } from './log-config.ts'
import { checkName } from './name.ts'
import type { OutboxConfig, OutboxSettings } from './outbox-config.ts'
import { outboxSettings } from './outbox-config.ts'
import { sameOrdering } from './ordering.ts'
import type { Redaction } from './redaction.ts'
import { redactionOf } from './redaction.ts'
import type { RoleName } from './roles.ts'
import { roleNamesOf } from './roles.ts'
import type { WebhookSource } from './source.ts'
import type { System } from './system.ts'
import type { TelemetryConfig, TelemetrySettings } from './telemetry-config.ts'
import { telemetrySettings } from './telemetry-config.ts'
import type { TransportConfig } from './transport.ts'
import { log } from './transport.ts'

/** What `defineConfig` takes. */
export interface ConfigOptions {
  /** The hub's name; part of every idempotency key, so keep it. Default `'busbar'`. */
  readonly name?: string
  /** Default: embedded PostgreSQL in `.busbar/`. */
  readonly journal?: JournalConfig
  /** What carries events from the log to the workers; default `log()`: they read it themselves. */
  readonly transport?: TransportConfig
  readonly flows: readonly Flow[]
  readonly sources?: readonly (WebhookSource | ConsumerSource)[]
  /** Contracts that no flow subscribes to yet but that may be published. */
  readonly events?: readonly AnyContract[]
  /** Events that must follow others, from `expectEvent`. */
  readonly expectations?: readonly Expectation[]
  /** Accept events of types that no contract declares; default false. */
  readonly allowUnknownTypes?: boolean
  readonly http?: HttpConfig
  /** Who may sign in to the console, and how. */
  readonly access?: AccessConfig
  /** Moves events that applications publish inside their own transactions into the log; default true. */
  readonly outbox?: boolean | OutboxConfig
  /** Where traces go. */
  readonly telemetry?: TelemetryConfig
  /** How busbar's own log is written. */
  readonly log?: LogConfig
  /** Who is told of problems, and how; default nobody. */
  readonly alerts?: AlertsConfig
  /**
   * What is never shown, beside the built-in names and what contracts mark: names of headers and fields wherever they
   * are (`taxId`), and paths into the data of any event (`customer.iban`, `lines[].card`).
   */
  readonly redact?: readonly string[]
  /** What a process with this configuration does, unless it is told otherwise when it starts; default `'all'`. */
  readonly roles?: RoleName | readonly RoleName[]
}

/** A checked configuration. */
export interface Config {
  readonly name: string
  readonly journal: JournalConfig
  readonly transport: TransportConfig
  readonly flows: readonly Flow[]
  readonly sources: readonly (WebhookSource | ConsumerSource)[]
  readonly expectations: readonly Expectation[]
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly systems: ReadonlyMap<string, System>
  readonly allowUnknownTypes: boolean
  readonly http: HttpSettings
  readonly access: AccessSettings
  /** Undefined: this hub moves no rows of the outbox. */
  readonly outbox: OutboxSettings | undefined
  readonly telemetry: TelemetrySettings
  readonly log: LogConfig
  readonly alerts: AlertsSettings
  readonly redact: readonly string[]
  /** What must not be shown, and how to keep it from being shown. */
  readonly redaction: Redaction
  readonly roles: readonly RoleName[]
}

/**
 * Checks the whole configuration and fills in defaults. Throws `config.invalid` or `config.conflict` that names the
 * culprit: what is no flow, a number out of range, two flows of one name, two systems of one name, mixed `ordering`, `onParked` or `partitions` in a lane group, two
 * contracts for one event type.
 */
export function defineConfig(options: ConfigOptions): Config {
  const name = options.name ?? 'busbar'
  checkName('hub name', name)
  checkDeclarations(options)
  const contracts = contractsOf(options)
  const redact = options.redact ?? []
  return {
    name,
    journal: options.journal ?? embedded(),
    transport: options.transport ?? log(),
    flows: uniqueFlows(options.flows),
    sources: uniqueByName('sources', options.sources ?? []),
    expectations: uniqueByName('expectations', options.expectations ?? []),
    contracts,
    systems: systemsOf(options.flows),
    allowUnknownTypes: options.allowUnknownTypes ?? false,
    http: httpSettings(options.http),
    access: accessSettings(options.access),
    outbox: outboxSettings(options.outbox),
    telemetry: telemetrySettings(options.telemetry),
    log: logSettings(options.log),
    alerts: alertsSettings(options.alerts),
    redact,
    redaction: redactionOf({ contracts, redact }),
    roles: roleNamesOf('roles', options.roles ?? 'all'),
  }
}

/** TypeScript says the same, but Node runs a configuration without asking it. */
function checkDeclarations({ flows, sources = [], events = [], expectations = [] }: ConfigOptions): void {
  const lists = [
    { list: 'flows', items: flows, kinds: ['flow'], write: 'defineFlow(…).on(…).step(…)' },
    {
      list: 'sources',
      items: sources,
      kinds: ['webhook', 'consumer'],
      write: 'webhookSource({ … }) or amqpSource({ … })',
    },
    { list: 'events', items: events, kinds: ['event'], write: 'defineEvent({ … })' },
    { list: 'expectations', items: expectations, kinds: ['expectation'], write: 'expectEvent(…)' },
  ]
  for (const { list, items, kinds, write } of lists) {
    if (!Array.isArray(items)) invalid(`${list} must be an array, if only []`)
    for (const [index, item] of (items as readonly ({ kind?: string } | undefined)[]).entries())
      if (!kinds.includes(item?.kind ?? ''))
        invalid(`${list}[${index}] is no such thing: it must come from ${write}`)
  }
}

function invalid(message: string): never {
  throw new BusbarError('config.invalid', message)
}

function conflict(message: string): never {
  throw new BusbarError('config.conflict', message)
}

function uniqueByName<T extends { readonly name: string }>(what: string, items: readonly T[]): readonly T[] {
  const names = new Set<string>()
  for (const item of items) {
    if (names.has(item.name)) conflict(`two ${what} are named "${item.name}"`)
    names.add(item.name)
  }
  return items
}

function uniqueFlows(flows: readonly Flow[]): readonly Flow[] {
  const groups = new Map<string, Flow>()
  for (const flow of uniqueByName('flows', flows)) {
    const first = groups.get(flow.lane) ?? flow
    groups.set(flow.lane, first)
    if (!sameOrdering(first, flow) || first.onParked !== flow.onParked)
      conflict(
        `flows "${first.name}" and "${flow.name}" share lane group "${flow.lane}" but differ in ordering or onParked`,
      )
    if (first.partitions !== flow.partitions)
      conflict(
        `flows "${first.name}" and "${flow.name}" share lane group "${flow.lane}", so they must say the same number of partitions, not ${first.partitions} and ${flow.partitions}`,
      )
  }
  return flows
}

function contractsOf(options: ConfigOptions): Config['contracts'] {
  const contracts = new Map<string, AnyContract>()
  const declared = [
    ...(options.events ?? []),
    ...options.flows.flatMap(eventsOf),
    ...(options.sources ?? []).flatMap((source) => (source.kind === 'consumer' ? source.contracts : [])),
    ...(options.expectations ?? []).flatMap(({ after, expected }) => [after, expected]),
  ]
  for (const contract of declared) {
    const known = contracts.get(contract.type)
    if (known && known !== contract) conflict(`event type "${contract.type}" is declared twice`)
    contracts.set(contract.type, contract)
  }
  return contracts
}

function systemsOf(flows: readonly Flow[]): Config['systems'] {
  const systems = new Map<string, System>()
  for (const { system } of flows.flatMap(callsOf)) {
    const known = systems.get(system.name)
    if (known && known !== system) conflict(`two systems are named "${system.name}"`)
    systems.set(system.name, system)
  }
  return systems
}

import { BusbarError } from '../errors.ts'
import type { AnyContract } from './event.ts'
import type { Flow } from './flow.ts'
import { checkName } from './name.ts'
import type { WebhookSource } from './source.ts'
import type { System } from './system.ts'

/** Where events and runs are kept. */
export type JournalConfig =
  | {
      readonly kind: 'postgres'
      readonly url: string
      readonly schema: string
      readonly maxConnections: number
    }
  | { readonly kind: 'embedded'; readonly folder: string }

/** The user's own PostgreSQL (14 or newer, encoding UTF8). `schema` defaults to `busbar`. */
export function postgres(options: { url: string; schema?: string; maxConnections?: number }): JournalConfig {
  if (!options.url)
    throw new BusbarError('config.invalid', 'postgres() needs a url such as postgres://user@host/database')
  return {
    kind: 'postgres',
    url: options.url,
    schema: options.schema ?? 'busbar',
    maxConnections: options.maxConnections ?? 8,
  }
}

/** A private PostgreSQL that busbar starts and stops itself, its data in `folder` (default `.busbar`). */
export function embedded(options: { folder?: string } = {}): JournalConfig {
  return { kind: 'embedded', folder: options.folder ?? '.busbar' }
}

/** The HTTP door: events, webhooks, control API, metrics, health. */
export interface HttpConfig {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 7070; 0 takes a free one. */
  readonly port?: number
  /** Largest request body; default 1 MiB. A batch counts as one body. */
  readonly maxBodyBytes?: number
  /** Deepest nesting of JSON; default 64. */
  readonly maxDepth?: number
  /** Most requests a second from one API key or source, with a burst of five seconds' worth; default none. */
  readonly rateLimit?: { readonly perSecond: number }
  /** Most events and bytes that wait for their commit before 503 is answered; default 10,000 and 64 MiB. */
  readonly maxPending?: { readonly events: number; readonly bytes: number }
  /** Serve events and the control API without API keys. `busbar dev` does so on loopback; anything else must say it. */
  readonly unauthenticated?: boolean
}

/** What `defineConfig` takes. */
export interface ConfigOptions {
  /** The hub's name; part of every idempotency key, so keep it. Default `'busbar'`. */
  readonly name?: string
  /** Default: embedded PostgreSQL in `.busbar/`. */
  readonly journal?: JournalConfig
  readonly flows: readonly Flow[]
  readonly sources?: readonly WebhookSource[]
  /** Contracts that no flow subscribes to yet but that may be published. */
  readonly events?: readonly AnyContract[]
  /** Accept events of types that no contract declares; default false. */
  readonly allowUnknownTypes?: boolean
  readonly http?: HttpConfig
  /** Header and field names whose values never enter the record, beside the built-in list. */
  readonly redact?: readonly string[]
}

/** A checked configuration. */
export interface Config {
  readonly name: string
  readonly journal: JournalConfig
  readonly flows: readonly Flow[]
  readonly sources: readonly WebhookSource[]
  readonly contracts: ReadonlyMap<string, AnyContract>
  readonly systems: ReadonlyMap<string, System>
  readonly allowUnknownTypes: boolean
  readonly http: Required<Omit<HttpConfig, 'rateLimit'>> & Pick<HttpConfig, 'rateLimit'>
  readonly redact: readonly string[]
}

/**
 * Checks the whole configuration and fills in defaults. Throws `config.invalid` or `config.conflict` that names the
 * culprit: two flows of one name, two systems of one name, mixed `ordering` or `onParked` in a lane group, two
 * contracts for one event type.
 */
export function defineConfig(options: ConfigOptions): Config {
  const name = options.name ?? 'busbar'
  checkName('hub name', name)
  return {
    name,
    journal: options.journal ?? embedded(),
    flows: uniqueFlows(options.flows),
    sources: uniqueByName('sources', options.sources ?? []),
    contracts: contractsOf(options),
    systems: systemsOf(options.flows),
    allowUnknownTypes: options.allowUnknownTypes ?? false,
    http: {
      host: options.http?.host ?? '127.0.0.1',
      port: options.http?.port ?? 7070,
      maxBodyBytes: options.http?.maxBodyBytes ?? 1_048_576,
      maxDepth: options.http?.maxDepth ?? 64,
      maxPending: options.http?.maxPending ?? { events: 10_000, bytes: 64 * 1_048_576 },
      unauthenticated: options.http?.unauthenticated ?? false,
      ...(options.http?.rateLimit && { rateLimit: options.http.rateLimit }),
    },
    redact: options.redact ?? [],
  }
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
    if (first.ordering !== flow.ordering || first.onParked !== flow.onParked)
      conflict(
        `flows "${first.name}" and "${flow.name}" share lane group "${flow.lane}" but differ in ordering or onParked`,
      )
  }
  return flows
}

function contractsOf(options: ConfigOptions): Config['contracts'] {
  const contracts = new Map<string, AnyContract>()
  const declared = [...(options.events ?? []), ...options.flows.flatMap((flow) => flow.events)]
  for (const contract of declared) {
    const known = contracts.get(contract.type)
    if (known && known !== contract) conflict(`event type "${contract.type}" is declared twice`)
    contracts.set(contract.type, contract)
  }
  return contracts
}

function systemsOf(flows: readonly Flow[]): Config['systems'] {
  const systems = new Map<string, System>()
  for (const { system } of flows.flatMap((flow) => flow.steps)) {
    const known = systems.get(system.name)
    if (known && known !== system) conflict(`two systems are named "${system.name}"`)
    systems.set(system.name, system)
  }
  return systems
}

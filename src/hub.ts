import { authenticator } from './control/keys.ts'
import type { TransportInUse } from './control/queries/transport.ts'
import { openDatabase } from './journal/database.ts'
import type { Database } from './journal/database.ts'
import type { Config } from './define/config.ts'
import type { EventContract } from './define/event.ts'
import { inRange } from './define/range.ts'
import type { Role } from './define/roles.ts'
import type { TransportConnection } from './define/transport.ts'
import { roleNamesOf, rolesOf } from './define/roles.ts'
import { BusbarError } from './errors.ts'
import { firstAdminLink } from './hub/first-admin.ts'
import { BulkActs } from './hub/bulk-acts.ts'
import { openAlerts } from './hub/alerts.ts'
import { openHome } from './hub/home.ts'
import type { Home } from './hub/home.ts'
import { journalFigures } from './hub/figures.ts'
import { Opened } from './hub/opened.ts'
import { openOutboxRelay } from './hub/outbox.ts'
import type { OpenedRelay } from './hub/outbox.ts'
import type { Hub, HubOptions, StopOptions } from './hub/public.ts'
import { publishTo, publishWith } from './hub/publishing.ts'
import { closeServer, createServer, listen } from './hub/server.ts'
import { Presence, processFacts } from './hub/presence.ts'
import { Session } from './hub/session.ts'
import type { HubTracer } from './hub/tracer.ts'
import { createHubTracer } from './hub/tracer.ts'
import type { OpenedLogRelay } from './hub/transport.ts'
import { openLogRelay, openTransport, tellLeftOver } from './hub/transport.ts'
import { openSources } from './hub/sources.ts'
import { Appender } from './ingress/appender.ts'
import { Refusals } from './ingress/refusals.ts'
import type { Published, PublishOptions } from './ingress/publish.ts'
import type { PublishedInTransaction, TransactionOptions } from './ingress/publish-in-transaction.ts'
import type { Log } from './telemetry/log.ts'
import { createLog } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { openTracing } from './telemetry/tracer.ts'
import { ownVersion } from './version.ts'

export type { Role, RoleName } from './define/roles.ts'
export type { Hub, HubOptions, StopOptions } from './hub/public.ts'
export type { Published, PublishOptions } from './ingress/publish.ts'

/**
 * Composes a hub from its configuration; nothing happens before `start`. Throws `config.invalid` for options out of range,
 * and for roles that could not do their work.
 *
 * @example
 * const hub = createHub(config)
 * await hub.start()
 * await hub.publish(orderPlaced, { number: 'SO-1042', total: 99 }, { id: 'SO-1042-1' })
 * await hub.stop()
 */
export function createHub(config: Config, options: HubOptions = {}): Hub {
  return new RunningHub(config, options)
}

const defaults = { leaseMs: 6_000, graceMs: 25_000 }
/** A request that is under way may take so long once nothing new is taken. */
const lastRequestsMs = 5_000

/** Owns what a hub has opened, in order; stops it in the reverse. */
class RunningHub implements Hub {
  readonly #config: Config
  readonly #options: HubOptions
  readonly #log: Log
  readonly #opened = new Opened()
  readonly #roles: ReadonlySet<Role>
  #started: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  /** When running attempts must have ended, by `performance.now()`. */
  #graceUntil = Number.NEGATIVE_INFINITY
  #stopping = false
  #appender: Appender | undefined
  #relay: OpenedRelay | undefined
  #presence: Presence | undefined
  #server: ReturnType<typeof createServer> | undefined
  #transport: TransportConnection | undefined
  #metrics: Pick<Metrics, 'accepted'> = { accepted: () => undefined }
  #tracer: HubTracer | undefined
  #url: string | undefined
  #firstAdminLink: string | undefined

  constructor(config: Config, options: HubOptions) {
    this.#config = config
    this.#options = options
    const { log = 'info', leaseMs = defaults.leaseMs } = options
    inRange('leaseMs', leaseMs, { from: 2_000, to: 3_600_000 })
    this.#roles = rolesOf(roleNamesOf('roles', options.roles ?? config.roles), config)
    this.#log = typeof log === 'string' ? createLog(log, config.log) : log
  }

  get url(): string {
    if (this.#url === undefined) throw new BusbarError('journal.unavailable', 'the hub has not started')
    return this.#url
  }

  get firstAdminLink(): string | undefined {
    return this.#firstAdminLink
  }

  start(): Promise<void> {
    this.#started ??= this.#start().catch(async (error: unknown) => {
      this.#graceUntil = performance.now() + defaults.graceMs
      await this.#opened.close()
      throw error
    })
    return this.#started
  }

  stop({ graceMs = defaults.graceMs, drainMs }: StopOptions = {}): Promise<void> {
    this.#stopping = true
    this.#stopped ??= (async () => {
      await this.#started?.catch(() => undefined)
      this.#presence?.drain()
      if (this.#url !== undefined && this.#takesRequests)
        await new Promise((resolve) => setTimeout(resolve, drainMs ?? this.#config.http.drainMs ?? 0))
      this.#graceUntil = performance.now() + graceMs
      await this.#opened.close()
    })()
    return this.#stopped
  }

  /** Whether it has more than health and metrics to answer. */
  get #takesRequests(): boolean {
    return this.#roles.has('ingress') || this.#roles.has('console')
  }

  publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options: PublishOptions & TransactionOptions,
  ): Promise<PublishedInTransaction>
  publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options?: PublishOptions,
  ): Promise<Published>
  async publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options: PublishOptions & Partial<TransactionOptions> = {},
  ): Promise<Published | PublishedInTransaction> {
    if ('tx' in options) {
      const published = await publishWith(this.#config, contract, {
        data,
        options: options as PublishOptions & TransactionOptions,
      })
      this.#relay?.expect()
      return published
    }
    const appender = this.#appender
    if (!appender) throw new BusbarError('journal.unavailable', 'the hub has not started')
    const published = await publishTo({ config: this.#config, appender, tracer: this.#tracer }, contract, {
      data,
      options,
    })
    this.#metrics.accepted(published.duplicate ? 0 : 1, published.duplicate ? 1 : 0)
    return published
  }

  async #start(): Promise<void> {
    await this.#openTracing()
    const home = await openHome(this.#config.journal, this.#log)
    this.#opened.add(() => home.close())
    const control = openDatabase({ ...home, applicationName: 'busbar-control', maxConnections: 2 })
    this.#opened.add(() => control.close())
    const { kind, address } = this.#config.transport
    const metrics = createMetrics(
      () => journalFigures({ database: control, transport: kind, journal: this.#config.journal }),
      { standing: () => this.#transport?.standing(), waiting: () => this.#appender?.waiting },
    )
    this.#metrics = metrics
    // Where nobody but probes asks, they are answered until the end, which running attempts may put off.
    if (!this.#takesRequests) this.#opened.add(() => this.#closeServer())
    const transport = openTransport({ config: this.#config, roles: this.#roles, control, log: this.#log })
    if (transport) this.#opened.add(() => transport.close())
    this.#transport = transport?.connection
    const session = await this.#openSession(home, metrics, transport?.connection)
    const relay =
      transport && this.#roles.has('relay') ? this.#relayTo(transport.connection, home, metrics) : undefined
    const appender = new Appender({
      log: () => session.journal,
      maxPending: this.#config.http.maxPending,
      onAppended(stretch) {
        session.appended(stretch)
        relay?.appended(stretch)
      },
      observe: (batch) => metrics.appended(batch),
    })
    this.#opened.add(() => appender.stop())
    this.#appender = appender
    if (this.#roles.has('worker')) this.#moveOutbox(home, session, metrics)
    else this.#showPresence(control)
    const refusals = this.#keepRefusals(control)
    if (this.#roles.has('worker') || this.#roles.has('console')) this.#driveBulkActs(control)
    if (this.#roles.has('ingress')) {
      const sources = openSources({
        appender,
        metrics,
        tracer: this.#tracer,
        config: this.#config,
        log: this.#log,
        refusals,
      })
      this.#opened.add(() => sources.close())
    }
    if (this.#roles.has('worker') || this.#roles.has('console')) {
      const alerts = await openAlerts({ home, config: this.#config, log: this.#log })
      this.#opened.add(async () => alerts?.close())
    }
    const carrying = transport ? { kind, address, connection: transport.connection } : { kind, address }
    await this.#serve({ refusals, session, appender, metrics, control, transport: carrying })
    if (this.#roles.has('relay') || this.#roles.has('console'))
      await tellLeftOver({ control, config: this.#config, log: this.#log })
    this.#log.info(
      { url: this.#url, roles: [...this.#roles], flows: this.#config.flows.length },
      'busbar is running',
    )
  }

  async #openTracing(): Promise<void> {
    const { name, telemetry: settings } = this.#config
    const tracing = await openTracing({
      settings,
      service: name,
      version: ownVersion(),
      attributes: { 'busbar.roles': [...this.#roles] },
      log: this.#log,
    })
    if (!tracing) return
    this.#opened.add(() => tracing.close())
    this.#tracer = createHubTracer(tracing.tracer, name)
  }

  #relayTo(connection: TransportConnection, home: Home, metrics: Metrics): OpenedLogRelay {
    const relay = openLogRelay({
      config: this.#config,
      home,
      connection,
      metrics,
      tracer: this.#tracer,
      log: this.#log,
    })
    this.#opened.add(() => relay.close())
    return relay
  }

  #moveOutbox(home: Home, session: Session, metrics: Metrics): void {
    const relay = openOutboxRelay({ home, session, metrics, config: this.#config, log: this.#log })
    this.#opened.add(async () => relay?.close())
    this.#relay = relay
  }

  #driveBulkActs(database: Database): void {
    const acts = new BulkActs({
      database,
      onError: (error) => this.#log.warn({ err: error }, 'cannot go on with acts on many runs now'),
    })
    this.#opened.add(() => acts.stop())
    acts.start()
  }

  #showPresence(database: Database): void {
    const presence = new Presence({
      database,
      facts: processFacts(this.#roles),
      leaseMs: this.#options.leaseMs ?? defaults.leaseMs,
      onError: (error) => this.#log.warn({ err: error }, 'cannot say in the journal that this process lives'),
    })
    this.#opened.add(() => presence.stop())
    this.#presence = presence
    presence.start()
  }

  async #openSession(
    home: Home,
    metrics: Metrics,
    transport: TransportConnection | undefined,
  ): Promise<Session> {
    const { migrate, leaseMs, watchdog } = this.#options
    const session = new Session({
      config: this.#config,
      database: home,
      migrate: migrate ?? home.own,
      transport,
      works: this.#roles.has('worker'),
      facts: processFacts(this.#roles),
      watchdog: watchdog ?? false,
      leaseMs: leaseMs ?? defaults.leaseMs,
      log: this.#log,
      metrics,
      tracer: this.#tracer,
    })
    this.#opened.add(() => session.stop(Math.max(0, this.#graceUntil - performance.now())))
    await session.start()
    return session
  }

  #keepRefusals(database: Database): Refusals {
    const refusals = new Refusals({
      redaction: this.#config.redaction,
      store: (refused) =>
        database.query({ text: 'SELECT keep_refused($1::jsonb)', values: [JSON.stringify(refused)] }),
      onError: (error) =>
        this.#log.warn({ err: error }, 'what was refused could not be kept for people to see'),
    })
    this.#opened.add(() => refusals.stop())
    refusals.start()
    return refusals
  }

  async #serve(parts: {
    refusals: Refusals
    session: Session
    appender: Appender
    metrics: Metrics
    control: Database
    transport: TransportInUse
  }): Promise<void> {
    const { http } = this.#config
    const server = createServer({
      ...parts,
      database: parts.control,
      config: this.#config,
      tracer: this.#tracer,
      log: this.#log,
      authenticate: http.unauthenticated ? undefined : authenticator(parts.control),
      roles: this.#roles,
      stopping: () => this.#stopping,
    })
    this.#server = server
    if (this.#takesRequests) this.#opened.add(() => this.#closeServer())
    this.#url = await listen(server, http)
    if (this.#roles.has('console') && !http.unauthenticated)
      this.#firstAdminLink = await firstAdminLink(parts.control, { config: this.#config, url: this.#url })
  }

  async #closeServer(): Promise<void> {
    if (this.#server) await closeServer(this.#server, lastRequestsMs)
  }
}

import type { EventContract } from '../define/event.ts'
import type { RoleName } from '../define/roles.ts'
import type { Published, PublishOptions } from '../ingress/publish.ts'
import type { PublishedInTransaction, TransactionOptions } from '../ingress/publish-in-transaction.ts'
import type { Log, LogLevel } from '../telemetry/log.ts'

/** How a hub runs; everything has a default. */
export interface HubOptions {
  /** In the place of the configuration's `roles`, whose default is `'all'`. Metrics and health are served by every role. */
  readonly roles?: RoleName | readonly RoleName[]
  /** Apply missing migrations at start. Default: yes for the embedded journal, no for a PostgreSQL of your own. */
  readonly migrate?: boolean
  /** A pino logger, or a level for the built-in one; default `'info'`. */
  readonly log?: Log | LogLevel
  /** How long a worker may be silent before others take over; default 6 s, at least 2 s: calls end a second before the lease. */
  readonly leaseMs?: number
  /** Kill the whole process when its event loop stands still for the lease time. Default false; `busbar start` sets it. */
  readonly watchdog?: boolean
}

/** How a hub ends. */
export interface StopOptions {
  readonly graceMs?: number
  readonly drainMs?: number
}

/** A running busbar in this process. */
export interface Hub {
  /** Opens the journal, joins the cluster, serves HTTP. Rejects with what is wrong, everything closed again. Safe to call twice. */
  start(): Promise<void>
  /**
   * Is not ready any more, but answers requests for `drainMs` (default: the configuration's `http.drain`, or none) yet.
   * Then it takes nothing new, lets running attempts end within `graceMs` (default 25 s), and hands everything over. Safe
   * to call twice; what the first call said counts.
   */
  stop(options?: StopOptions): Promise<void>
  /** Where it serves HTTP, without a slash at the end; known after `start`. */
  readonly url: string
  /**
   * A link by which the first admin sets name and password, good once and for a day: made at the start of a hub that
   * serves the console, asks people to sign in, and has no user yet. Known after `start`; show it to whoever may be admin.
   */
  readonly firstAdminLink: string | undefined
  /**
   * Publishes an event with the caller's own transaction on the journal's PostgreSQL: it becomes real when `tx` commits,
   * and never when it rolls back. See `publishInTransaction`, which needs no hub.
   */
  publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options: PublishOptions & TransactionOptions,
  ): Promise<PublishedInTransaction>
  /** Publishes an event; resolves after its commit. See `PublishOptions` for its identity. */
  publish<Type extends string, In, Out>(
    contract: EventContract<Type, In, Out>,
    data: In,
    options?: PublishOptions,
  ): Promise<Published>
}

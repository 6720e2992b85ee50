import type { Config } from '../define/config.ts'
import { systemClock } from '../engine/clock.ts'
import { OutboxRelay } from '../ingress/outbox-relay.ts'
import { openDatabase } from '../journal/database.ts'
import { sqlOutbox } from '../journal/sql-outbox.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Home } from './home.ts'
import { newIdentity } from './presence.ts'
import type { Session } from './session.ts'

/** The relay of one process and the connection that it owns. */
export interface OpenedRelay {
  /** See `OutboxRelay.expect`. */
  expect(): void
  /** Stops the relay, then ends its connection. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Starts the relay of this process; undefined where the configuration has none. It has one connection of its own, opened
 * with the first look: neither an append of the door nor a query of the console makes it wait.
 */
export function openOutboxRelay(deps: {
  readonly home: Home
  readonly session: Pick<Session, 'appended'>
  readonly metrics: Pick<Metrics, 'accepted' | 'outbox'>
  readonly config: Config
  readonly log: Log
}): OpenedRelay | undefined {
  const { home, session, metrics, config, log } = deps
  if (!config.outbox) return undefined
  const onError = (error: unknown) => log.warn({ err: error }, 'the outbox cannot be moved now')
  const database = openDatabase({
    url: home.url,
    schema: home.schema,
    applicationName: 'busbar-outbox',
    maxConnections: 1,
    indexPlansOnly: true,
    onError,
  })
  const relay = new OutboxRelay({
    outbox: sqlOutbox(database),
    config,
    settings: config.outbox,
    relay: newIdentity(),
    clock: systemClock,
    onAppended: (stretch) => session.appended(stretch),
    observe(move) {
      metrics.accepted(move.moved, move.duplicates)
      metrics.outbox(move)
    },
    onRejected: (row) => log.warn(row, 'an event of the outbox was set aside: see "busbar outbox"'),
    onError,
  })
  relay.start()
  return {
    expect: () => relay.expect(),
    async close() {
      await relay.stop()
      await database.close()
    },
  }
}

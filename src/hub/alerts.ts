import { AlertSender } from '../alerts/sender.ts'
import { sqlAlerts } from '../alerts/store.ts'
import { findProblem } from '../control/queries/problems.ts'
import type { Config } from '../define/config.ts'
import { openDatabase } from '../journal/database.ts'
import type { Log } from '../telemetry/log.ts'
import type { Home } from './home.ts'
import { newIdentity } from './presence.ts'

/** What tells people about problems, in this process. */
export interface OpenedAlerts {
  /** Safe to call twice. */
  close(): Promise<void>
}

/**
 * Says in the journal which channels there are, and starts telling people over them; it has one connection of its own.
 * Undefined where there are none: then those of an earlier deployment are forgotten.
 */
export async function openAlerts(parts: {
  readonly config: Config
  readonly home: Home
  readonly log: Log
}): Promise<OpenedAlerts | undefined> {
  const { config, home, log } = parts
  const settings = config.alerts
  const onError = (error: unknown) => log.warn({ err: error }, 'alerts cannot be looked for now')
  const database = openDatabase({
    url: home.url,
    schema: home.schema,
    applicationName: 'busbar-alerts',
    maxConnections: 1,
    onError,
  })
  const store = sqlAlerts(database)
  await store.register(config.name, settings.channels).catch(onError)
  if (settings.channels.length === 0) {
    await database.close()
    return undefined
  }
  const sender = new AlertSender({
    store,
    settings,
    findProblem: (fingerprint) => findProblem(database, fingerprint),
    hub: config.name,
    holder: newIdentity(),
    consoleUrl: config.access.url,
    onFailed: (channel, error) => log.warn({ channel, error }, 'an alert could not be sent'),
    onError,
  })
  sender.start()
  return {
    async close() {
      await sender.stop()
      await database.close()
    },
  }
}

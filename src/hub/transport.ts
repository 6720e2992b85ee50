import { knownQueues } from '../control/queries/transport.ts'
import type { Config } from '../define/config.ts'
import type { Role } from '../define/roles.ts'
import type { TransportConnection } from '../define/transport.ts'
import { systemClock } from '../engine/clock.ts'
import type { Stretch } from '../engine/log-reader.ts'
import { LogRelay } from '../engine/log-relay.ts'
import type { Database } from '../journal/database.ts'
import { openDatabase } from '../journal/database.ts'
import { sqlLog } from '../journal/sql-log.ts'
import { sqlRelay } from '../journal/sql-relay.ts'
import { oneTimeline } from '../journal/timeline.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Home } from './home.ts'
import { newIdentity } from './presence.ts'
import type { HubTracer } from './tracer.ts'

/** Queues that are named in a log line. */
const mostNamed = 20

/** The broker as this process uses it. */
export interface OpenedTransport {
  readonly connection: TransportConnection
  /** Safe to call twice. */
  close(): Promise<void>
}

/** Connects to the configured broker, for what this process has to do there; undefined where the log is the transport. */
export function openTransport(parts: {
  readonly config: Config
  readonly roles: ReadonlySet<Role>
  readonly control: Database
  readonly log: Log
}): OpenedTransport | undefined {
  const { config, roles, control, log } = parts
  const { kind, address, connect } = config.transport
  if (!connect || !(roles.has('worker') || roles.has('relay') || roles.has('console'))) return undefined
  const queues = sqlRelay(control)
  const away = seldom((error) =>
    log.warn({ err: error, transport: kind, address }, `${kind} does not answer as it should`),
  )
  const connection = connect({
    hub: config.name,
    onError: away,
    onQueue: (queue) =>
      void queues
        .noteQueue(kind, queue)
        .catch((error: unknown) => log.warn({ err: error }, 'a queue could not be noted')),
  })
  return { connection, close: () => connection.close() }
}

/** Says once, at start, which queues nobody needs any more; they are removed only on command. */
export async function tellLeftOver(parts: {
  readonly control: Database
  readonly config: Config
  readonly log: Log
}): Promise<void> {
  const { control, config, log } = parts
  const { kind, connect } = config.transport
  if (!connect) return
  try {
    const leftOver = (await knownQueues(control, kind)).filter(({ inUse }) => !inUse)
    if (leftOver.length === 0) return
    const names = leftOver.slice(0, mostNamed).map(({ queue }) => queue)
    log.warn(
      { transport: kind, queues: leftOver.length, names },
      `${leftOver.length} queue(s) at the broker are left over, of removed flows or another number of partitions: see "busbar queues"`,
    )
  } catch (error) {
    log.warn({ err: error }, 'the journal does not answer as it should')
  }
}

/** The relay of this process. */
export interface OpenedLogRelay {
  /** This process has appended a stretch, which need not be read again. */
  appended(stretch: Stretch): void
  /** Stops it, then ends its connection to the journal. Safe to call twice. */
  close(): Promise<void>
}

/** What a relay is made of. */
interface LogRelayParts {
  readonly config: Config
  readonly home: Home
  readonly connection: Pick<TransportConnection, 'publish'>
  readonly metrics: Pick<Metrics, 'carried'>
  readonly tracer?: Pick<HubTracer, 'carry'> | undefined
  readonly log: Log
}

/**
 * Starts the relay of this process. When the database has another history (a standby was promoted), another one begins in
 * its place: how far the old one has come says nothing about the new log.
 */
export function openLogRelay(parts: LogRelayParts): OpenedLogRelay {
  let closed = false
  let ending: Promise<void> = Promise.resolve()
  let current = openOne(parts, again)
  function again(): void {
    if (closed) return
    const old = current
    current = openOne(parts, again)
    ending = ending.then(() => old.close())
  }
  return {
    appended: (stretch) => current.appended(stretch),
    async close() {
      closed = true
      await Promise.all([ending, current.close()])
    },
  }
}

/** One relay, with a connection of its own to the journal, so that nothing makes it wait. */
function openOne(
  { config, home, connection, metrics, tracer, log }: LogRelayParts,
  onOtherHistory: () => void,
): OpenedLogRelay {
  const { kind } = config.transport
  const onError = seldom((error) =>
    log.warn({ err: error }, `events cannot be carried to ${kind} now; workers read them from the log`),
  )
  const database = openDatabase({
    url: home.url,
    schema: home.schema,
    applicationName: 'busbar-relay',
    maxConnections: 1,
    indexPlansOnly: true,
    onError,
    guard: oneTimeline(onOtherHistory),
  })
  const events = sqlLog(database, database)
  const relay = new LogRelay({
    journal: { ...sqlRelay(database), head: () => events.head() },
    transport: kind,
    holder: newIdentity(),
    publish: (events) =>
      tracer ? tracer.carry(kind, events, () => connection.publish(events)) : connection.publish(events),
    clock: systemClock,
    onCarried: (events, position) => metrics.carried(events, position),
    onError,
  })
  relay.start()
  return {
    appended: (stretch) => relay.appended(stretch),
    async close() {
      await relay.stop()
      await database.close()
    },
  }
}

const sameEveryMs = 30_000
const maxKept = 100

/** Every partition tries again every few seconds while a broker is away: the same error is told every 30 s. */
export function seldom(tell: (error: unknown) => void): (error: unknown) => void {
  const toldAt = new Map<string, number>()
  return (error) => {
    const what = String(error)
    const now = performance.now()
    if (now - (toldAt.get(what) ?? Number.NEGATIVE_INFINITY) < sameEveryMs) return
    if (toldAt.size >= maxKept) toldAt.clear()
    toldAt.set(what, now)
    tell(error)
  }
}

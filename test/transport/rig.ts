/** Real workers that get their events by a transport, its relays, and the queues of the broker in the test's own hands. */
import { randomBytes } from 'node:crypto'
import type {
  CarriedEvent,
  Carrier,
  CarrierQueue,
  CarryRequest,
  TransportConfig,
  TransportConnection,
} from '../../src/define/transport.ts'
import type { Flow } from '../../src/define/flow.ts'
import { systemClock } from '../../src/engine/clock.ts'
import { LogRelay } from '../../src/engine/log-relay.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { sqlLog } from '../../src/journal/sql-log.ts'
import { sqlRelay } from '../../src/journal/sql-relay.ts'
import { rabbitmq } from '../../src/rabbitmq/index.ts'
import type { RabbitmqOptions } from '../../src/rabbitmq/transport.ts'
import { log } from '../../src/define/transport.ts'
import type { Arrival, Rig, RigWorker, StartOptions } from '../scenario/rig.ts'
import { databaseUrl, openRig } from '../scenario/rig.ts'
import { amqpUrl, uniqueName } from '../rabbitmq/rig.ts'

/** A relay of the rig's log. */
export interface RigRelay {
  /** Events that the broker has confirmed to it. */
  readonly carried: number
  readonly errors: readonly unknown[]
  stop(): Promise<void>
  /** As if its process had been killed: its lease stays until it runs out, its position is as it was written last. */
  kill(): Promise<void>
}

/** A carrier, and what its owner asked for. */
export interface SeenCarrier {
  readonly carrier: Carrier
  readonly request: CarryRequest
}

export interface TransportRig extends Rig {
  /** Absent on a transport without a broker. */
  readonly exchange: string
  readonly carriers: readonly SeenCarrier[]
  readonly queues: readonly CarrierQueue[]
  /** What transports said is wrong. */
  readonly troubles: readonly unknown[]
  /** A worker with a connection of its own, ended with it. */
  startCarried(flows: readonly Flow[], options?: StartOptions): Promise<RigWorker>
  /** Another connection, ended with the rig. */
  connect(): TransportConnection
  /** Nothing to do on a transport without a broker. */
  startRelay(options?: { readonly publish?: (events: readonly CarriedEvent[]) => Promise<void> }): RigRelay
  /** Resolves when every partition is carried: the owners rely on messages. */
  untilCarried(partitions?: number): Promise<void>
}

export type OpenTransport = (options?: Partial<RabbitmqOptions>) => Promise<TransportRig>

/** Workers read the log. */
export const openLogRig: OpenTransport = () => openTransportRig(log(), '', false)

/** Over the shared broker, or the one at `url`. */
export const openRabbitmqRig: OpenTransport = (options = {}) => {
  const exchange = uniqueName('transport')
  return openTransportRig(rabbitmq({ url: amqpUrl, ...options, exchange }), exchange, !options.url)
}

async function openTransportRig(
  config: TransportConfig,
  exchange: string,
  isShared: boolean,
): Promise<TransportRig> {
  const rig = await openRig()
  const closers: (() => Promise<void>)[] = []
  const carriers: SeenCarrier[] = []
  const queues: CarrierQueue[] = []
  const troubles: unknown[] = []
  const connect = () =>
    config.connect?.({
      hub: 'test',
      onError: (error) => troubles.push(error),
      onQueue: (queue) => queues.push(queue),
    })

  return {
    ...rig,
    exchange,
    carriers,
    queues,
    troubles,

    connect() {
      const connection = connect()
      if (!connection) throw new Error('this transport has no broker')
      closers.push(() => connection.close())
      return connection
    },

    async startCarried(flows, options = {}) {
      const connection = connect()
      if (connection) closers.push(() => connection.close())
      const transport = connection && {
        carry: (request: CarryRequest) => seen(connection, request, carriers),
      }
      return rig.startWorker(flows, { ...(transport && { transport }), ...options })
    },

    startRelay({ publish } = {}) {
      const connection = connect()
      if (!connection) return idleRelay
      const relay = startRelay(rig.schema, connection, publish)
      closers.push(() => relay.stop())
      return relay
    },

    async untilCarried(partitions = 1) {
      if (config.kind === 'log') return
      await rig.until(() => carriers.filter(({ carrier }) => carrier.carries).length >= partitions)
    },

    async close() {
      await rig.close()
      for (const close of closers.reverse()) await close()
      if (!isShared) return // a broker of one's own goes as a whole
      const broker = connect()
      for (const queue of new Set(queues.map((each) => each.queue)))
        await broker?.removeQueue(queue).catch(() => undefined)
      await broker?.close()
    },
  }
}

function seen(connection: TransportConnection, request: CarryRequest, all: SeenCarrier[]): Carrier {
  const carrier = connection.carry(request)
  all.push({ carrier, request })
  return carrier
}

const idleRelay: RigRelay = { carried: 0, errors: [], stop: async () => {}, kill: async () => {} }

function startRelay(
  schema: string,
  connection: TransportConnection,
  publish = (events: readonly CarriedEvent[]) => connection.publish(events),
): RigRelay {
  const database = openDatabase({
    ...{ url: databaseUrl, schema, applicationName: 'rig-relay', maxConnections: 1, indexPlansOnly: true },
    onError: () => undefined,
  })
  const events = sqlLog(database, database)
  const errors: unknown[] = []
  let carried = 0
  const journal = { ...sqlRelay(database), head: () => events.head() }
  let isDead = false
  const relay = new LogRelay({
    journal: {
      ...journal,
      holdRelay: (hold) => (isDead ? Promise.reject(new Error('killed')) : journal.holdRelay(hold)),
    },
    transport: 'rabbitmq',
    holder: `relay-${randomBytes(4).toString('hex')}`,
    publish,
    clock: systemClock,
    onCarried: (count) => (carried += count),
    onError: (error) => errors.push(error),
  })
  relay.start()
  const stop = async () => {
    await relay.stop()
    await connection.close()
    await database.close()
  }
  return {
    get carried() {
      return carried
    },
    errors,
    stop,
    async kill() {
      isDead = true
      await stop()
    },
  }
}

/** Orders of a key that arrived before an earlier one of it had; none where the promise holds. */
export function outOfOrder(arrivals: readonly Arrival[]): string[] {
  const last = new Map<string, number>()
  const broken: string[] = []
  for (const { order } of arrivals) {
    if (order.revision <= (last.get(order.number) ?? 0)) broken.push(`${order.number}${order.revision}`)
    else last.set(order.number, order.revision)
  }
  return broken
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

import type { AsyncMessage, Connection, ConsumerProps } from 'rabbitmq-client'
import type { ConsumerSource, RunningSource, SourcePort } from '../define/consumer-source.ts'
import type { AnyContract } from '../define/event.ts'
import { checkName } from '../define/name.ts'
import { inRange } from '../define/range.ts'
import type { MappedEvent } from '../define/source.ts'
import { BusbarError } from '../errors.ts'
import type { BrokerOptions } from './connection.ts'
import { addressOf, endConnection, openConnection } from './connection.ts'
import { rabbitmqClient } from './client.ts'
import { keepBytes } from './keep-bytes.ts'
import type { AmqpMessage, Reader } from './message.ts'
import { sourceMessage } from './message.ts'
import { Pump } from './pump.ts'

/** What `amqpSource` takes. */
export interface AmqpSourceOptions extends BrokerOptions {
  readonly name: string
  /** The queue to consume. Alone, it must exist and is never altered; with `exchange`, it is busbar's own (default `busbar.<name>`). */
  readonly queue?: string
  /** An exchange, which must exist, to take messages from through a durable queue of busbar's own. */
  readonly exchange?: string
  /** Routing keys of that queue; needed with `exchange`. A fanout exchange takes `['']`. */
  readonly bindings?: readonly string[]
  /** Arguments of that queue, such as `{ 'x-dead-letter-exchange': 'refused' }`. */
  readonly queueArguments?: Readonly<Record<string, unknown>>
  /**
   * What the messages are that are no CloudEvents: a contract; several, told apart by the message's `type` property; or a
   * function, which answers undefined for messages to acknowledge and ignore.
   */
  readonly event: AnyContract | readonly AnyContract[] | ((message: AmqpMessage) => MappedEvent | undefined)
  /** What identifies a message; default its `messageId` property. A message without it is refused. */
  readonly id?: (message: AmqpMessage) => string | undefined
  /** CloudEvents `source` of its events; default `urn:busbar:source:<name>`. CloudEvents bring their own. */
  readonly source?: string
  /** Most messages held before their commit, from 1 to 2,000; default 200. Memory is bounded by this times `http.maxBodyBytes`. */
  readonly prefetch?: number
}

/**
 * Declares a source that consumes a queue of RabbitMQ. Messages are acknowledged after the commit of their events, also
 * when the event was there already; what is refused for good is rejected without requeue, and so dead-lettered where the
 * queue says. While the journal is away messages are held, not given back. Throws `config.invalid` that names the option.
 *
 * @example
 * export const shopOrders = amqpSource({
 *   name: 'shop-orders',
 *   url: env.AMQP_URL,
 *   queue: 'orders',
 *   event: orderPlaced,
 * })
 */
export function amqpSource(options: AmqpSourceOptions): ConsumerSource {
  const { name, prefetch = 200 } = options
  checkName('source name', name)
  const what = `source "${name}"`
  const address = addressOf(what, options.url)
  inRange(`${what}: prefetch`, prefetch, { from: 1, to: 2_000, whole: true })
  const queue = queueOf(what, options)
  const { reader, contracts } = readerOf(what, options)
  return {
    kind: 'consumer',
    name,
    address: `${address} ${queue.queue}`,
    contracts,
    start: (port) =>
      new Consumption({ options, reader, port, props: { ...queue, qos: { prefetchCount: prefetch } } }),
  }
}

function queueOf(what: string, options: AmqpSourceOptions): ConsumerProps & { readonly queue: string } {
  const { queue, exchange, bindings, queueArguments } = options
  const invalid = (why: string) => new BusbarError('config.invalid', `${what}: ${why}`)
  if (exchange === undefined) {
    if (queue === undefined || queue === '')
      throw invalid('declare the queue, or an exchange and its bindings')
    if (bindings ?? queueArguments)
      throw invalid('bindings and queueArguments are of a queue of its own: declare the exchange, too')
    return { queue, queueOptions: { passive: true } }
  }
  if (!Array.isArray(bindings) || bindings.length === 0)
    throw invalid("declare the bindings to the exchange, such as ['order.*']")
  const own = queue ?? `busbar.${options.name}`
  return {
    queue: own,
    queueOptions: { durable: true, ...(queueArguments && { arguments: { ...queueArguments } }) },
    exchanges: [{ exchange, passive: true }],
    queueBindings: bindings.map((routingKey: string) => ({ exchange, queue: own, routingKey })),
  }
}

function readerOf(
  what: string,
  { name, event, id, source }: AmqpSourceOptions,
): { reader: Reader; contracts: readonly AnyContract[] } {
  const common = {
    source: source ?? `urn:busbar:source:${name}`,
    id: id ?? ((message: AmqpMessage) => message.messageId),
  }
  if (typeof event === 'function')
    return { reader: { ...common, map: event, verbatim: false }, contracts: [] }
  const contracts = [event].flat() as readonly AnyContract[]
  if (contracts.length === 0 || contracts.some((each) => each?.kind !== 'event'))
    throw new BusbarError('config.invalid', `${what}: event must be a contract, several, or a function`)
  const byType = new Map(contracts.map((contract) => [contract.type, contract]))
  const [first] = contracts
  const map = ({ type, body }: AmqpMessage): MappedEvent => {
    const contract = contracts.length === 1 ? first : byType.get(type ?? '')
    if (contract) return { event: contract, data: body }
    throw new BusbarError(
      'event.unknown-type',
      `the message's type property ${JSON.stringify(type)?.slice(0, 100) ?? 'is missing, or'} is none of the source's events`,
    )
  }
  return { reader: { ...common, map, verbatim: true }, contracts }
}

const settlements = {
  ack: rabbitmqClient.ConsumerStatus.ACK,
  reject: rabbitmqClient.ConsumerStatus.DROP,
  requeue: rabbitmqClient.ConsumerStatus.REQUEUE,
}

/** Consumes one queue, over whatever connections it takes. */
class Consumption implements RunningSource {
  readonly #connection: Connection
  readonly #consumer: ReturnType<Connection['createConsumer']>
  readonly #pump: Pump
  readonly #port: SourcePort
  #connected = true // so that the first failure is told
  #stopped: Promise<void> | undefined

  constructor(parts: { options: AmqpSourceOptions; reader: Reader; port: SourcePort; props: ConsumerProps }) {
    const { options, reader, port, props } = parts
    const { maxBodyBytes } = port
    this.#port = port
    this.#pump = new Pump(port)
    this.#connection = openConnection(options, `busbar source ${options.name}`)
    this.#connection.on('error', (error) => this.#lost(error))
    keepBytes(this.#connection, { maxBytes: maxBodyBytes, onClose: () => this.#closed() })
    this.#consumer = this.#connection.createConsumer(props, async (message: AsyncMessage) => {
      const { messageId, routingKey, exchange } = message
      const facts = { messageId, routingKey, exchange }
      return settlements[await this.#pump.take(sourceMessage(message, reader, maxBodyBytes), facts)]
    })
    this.#consumer.on('error', (error) => this.#lost(error))
    this.#consumer.on('ready', () => {
      this.#connected = true
      port.connected(true)
      port.log.info({}, 'the source consumes its queue')
    })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const closing = this.#consumer.close()
    closing.catch(() => undefined)
    await new Promise(setImmediate) // the cancel goes before what is given back, which would come straight back to us
    await this.#pump.stop()
    await endConnection(this.#connection, closing)
    this.#port.connected(false)
  }

  #closed(): void {
    this.#port.connected(false)
    this.#pump.forget()
  }

  /** Once per outage: what follows a first failure, such as acknowledgements that came too late, tells nothing new. */
  #lost(error: unknown): void {
    this.#port.connected(false)
    if (!this.#connected || this.#stopped) return
    this.#connected = false
    this.#port.log.warn({ err: error }, 'the source has lost its queue: it tries again until it has it')
  }
}

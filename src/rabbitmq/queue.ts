import type { Channel, Connection } from 'rabbitmq-client'
import type { CarryRequest, TransportOptions } from '../define/transport.ts'
import { bindingKeys, declareExchanges, hintExchange, queueDeclarations } from './topology.ts'
import type { RabbitmqSettings } from './transport.ts'

/** The queue of one partition. */
export interface QueueOptions {
  readonly connection: Connection
  readonly settings: RabbitmqSettings
  readonly request: Pick<CarryRequest, 'types' | 'part' | 'parts'>
  readonly queue: string
  readonly onError: TransportOptions['onError']
}

/** A channel on which exchange, queue and bindings are declared; the broker closes the one on which it has refused something. */
export async function declaredQueue(options: QueueOptions): Promise<Channel> {
  const { connection, settings, queue, onError } = options
  for (const declaration of queueDeclarations(queue, settings.maxQueueLength)) {
    const channel = await connection.acquire({ emitErrorsFromChannel: true })
    channel.on('error', onError)
    try {
      await declare(channel, declaration, options)
      return channel
    } catch (error) {
      void channel.close()
      if (declaration.passive || (error as { code?: string }).code !== 'PRECONDITION_FAILED') throw error
    }
  }
  throw new Error('unreachable: the last declaration throws')
}

async function declare(
  channel: Channel,
  declaration: Parameters<Channel['queueDeclare']>[0],
  { settings, request, queue }: QueueOptions,
): Promise<void> {
  const exchange = hintExchange(settings.exchange)
  await declareExchanges(channel, settings.exchange)
  await channel.queueDeclare(declaration as never)
  const keys = bindingKeys(request.types, request.part, request.parts)
  await Promise.all(keys.map((routingKey) => channel.queueBind({ queue, exchange, routingKey })))
}

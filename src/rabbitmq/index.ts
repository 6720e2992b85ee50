/** RabbitMQ as a neighbour: its queues as sources of events, its exchanges as systems. Needs the package `rabbitmq-client`. */
export { amqpSource } from './source.ts'
export type { AmqpSourceOptions } from './source.ts'
export type { AmqpMessage } from './message.ts'
export { amqpSystem } from './system.ts'
export type { AmqpSystemOptions } from './system.ts'
export type { AmqpCall, AmqpPublished, AmqpPublishOptions } from './call.ts'
export type { BrokerOptions } from './connection.ts'

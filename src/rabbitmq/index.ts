/** busbar/rabbitmq: RabbitMQ as what carries events to the workers. */
export { rabbitmq } from './transport.ts'
export type { RabbitmqOptions } from './transport.ts'

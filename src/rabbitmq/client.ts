import { createRequire } from 'node:module'
import type * as RabbitmqClient from 'rabbitmq-client'
import { BusbarError } from '../errors.ts'

/** The package `rabbitmq-client`, an optional peer. Throws `config.invalid` with what to type when it is not installed. */
export const rabbitmqClient = load()

function load(): typeof RabbitmqClient {
  try {
    return createRequire(import.meta.url)('rabbitmq-client') as typeof RabbitmqClient
  } catch (error) {
    throw new BusbarError(
      'config.invalid',
      'busbar/rabbitmq needs the package rabbitmq-client, which is not installed: npm install rabbitmq-client@5',
      { cause: error },
    )
  }
}

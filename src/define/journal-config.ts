import { BusbarError } from '../errors.ts'
import { inRange } from './range.ts'
import { keepSecretOfUrl } from './secrets.ts'

/** Where events and runs are kept. */
export type JournalConfig =
  | {
      readonly kind: 'postgres'
      readonly url: string
      readonly schema: string
      readonly maxConnections: number
    }
  | { readonly kind: 'embedded'; readonly folder: string }

/** PostgreSQL cuts longer names off. */
const maxSchemaBytes = 63

/**
 * The user's own PostgreSQL (14 or newer, encoding UTF8). `schema` defaults to `busbar`, `maxConnections` to 8. Throws
 * `config.invalid`.
 */
export function postgres(options: { url: string; schema?: string; maxConnections?: number }): JournalConfig {
  const { url, schema = 'busbar', maxConnections = 8 } = options
  if (!url || !/^(postgres|postgresql|socket):/.test(url))
    throw new BusbarError(
      'config.invalid',
      `postgres() needs a url such as postgres://user@host/database${url ? '' : ', and was given none'}`,
    )
  keepSecretOfUrl(url)
  if (schema === '' || Buffer.byteLength(schema) > maxSchemaBytes)
    throw new BusbarError('config.invalid', `the schema of postgres() has 1 to ${maxSchemaBytes} bytes`)
  return {
    kind: 'postgres',
    url,
    schema,
    maxConnections: inRange('postgres(): maxConnections', maxConnections, { from: 1, whole: true }),
  }
}

/** A private PostgreSQL that busbar starts and stops itself, its data in `folder` (default `.busbar`). */
export function embedded(options: { folder?: string } = {}): JournalConfig {
  return { kind: 'embedded', folder: options.folder ?? '.busbar' }
}

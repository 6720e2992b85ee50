import type { AlertChange } from '../alert-words.ts'
import { headline, subjectOf } from '../alert-words.ts'
import type { Database } from '../../journal/database.ts'
import type { DatabaseTime } from '../moment.ts'
import { iso, isoAlways } from '../moment.ts'
import type { AlertChannel, AlertDeliveriesQuery, AlertDelivery, AlertDeliveryPage } from '../schema/alert.ts'

interface DeliveryRow extends Pick<AlertDelivery, 'id' | 'channel' | 'test' | 'state' | 'tries' | 'error'> {
  readonly at: DatabaseTime
  readonly message: { readonly hub: string; readonly changes: readonly AlertChange[] }
  readonly next_at: DatabaseTime
  readonly ended_at: DatabaseTime
}

const columns = 'id, at, channel, message, test, state, tries, next_at, ended_at, error'

/** One page of messages, newest first: by primary key, or by alert_deliveries_by_channel. */
export async function listAlertDeliveries(
  database: Database,
  { channel, before, limit }: AlertDeliveriesQuery,
): Promise<AlertDeliveryPage> {
  const own = channel === undefined ? '' : 'AND channel = $3'
  const rows = await database.query<DeliveryRow>({
    text: `SELECT ${columns} FROM alert_deliveries WHERE id < $1::bigint ${own} ORDER BY id DESC LIMIT $2::int`,
    values: [before ?? Number.MAX_SAFE_INTEGER, limit + 1, ...(channel === undefined ? [] : [channel])],
  })
  const items = rows.slice(0, limit).map(deliveryOf)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last ? String(last.id) : null }
}

/** The channels by name, each with its newest message. */
export async function listAlertChannels(database: Database): Promise<AlertChannel[]> {
  const channels = await database.query<Omit<AlertChannel, 'last'>>({
    text: 'SELECT name, kind, address, tells FROM alert_channels ORDER BY name',
  })
  const rows = await database.query<DeliveryRow>({
    text: `SELECT d.* FROM alert_channels c
           CROSS JOIN LATERAL (SELECT ${columns} FROM alert_deliveries d WHERE d.channel = c.name ORDER BY d.id DESC LIMIT 1) d`,
  })
  const last = new Map(rows.map((row) => [row.channel, deliveryOf(row)]))
  return channels.map((channel) => ({ ...channel, last: last.get(channel.name) ?? null }))
}

/** A message as people see it. */
export function deliveryOf(row: DeliveryRow): AlertDelivery {
  const { message, at, next_at, ended_at, ...rest } = row
  return {
    ...rest,
    at: isoAlways(at),
    subject: subjectOf({ ...message, test: row.test }),
    changes: message.changes.map((change) => ({
      kind: change.kind,
      problem: change.problem,
      headline: headline(change),
      sentence: change.sentence,
    })),
    endedAt: iso(ended_at),
    nextAt: row.state === 'pending' && row.tries > 0 ? iso(next_at) : null,
  }
}

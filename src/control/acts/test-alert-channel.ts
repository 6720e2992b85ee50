import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { deliveryOf } from '../queries/alerts.ts'
import type { AlertDelivery } from '../schema/alert.ts'

/**
 * Writes a test message for a channel, which is sent as all others are, by the process that tells. With its audit row.
 * Throws `request.not-found` for a channel that is not configured.
 */
export async function testAlertChannel(
  database: Database,
  act: { readonly name: string; readonly actor: string; readonly reason: string | null },
): Promise<AlertDelivery> {
  const [row] = await database.query<Parameters<typeof deliveryOf>[0]>({
    text: `WITH told AS (
             INSERT INTO alert_deliveries (channel, message, test)
             SELECT c.name, jsonb_build_object('hub', c.hub, 'at', clock_timestamp(), 'changes', '[]'::jsonb), true
             FROM alert_channels c WHERE c.name = $1
             RETURNING *
           ), noted AS (
             INSERT INTO audit (actor, verb, object, reason)
             SELECT $2, 'test', 'alert channel ' || t.channel, $3::text FROM told t
           )
           SELECT * FROM told`,
    values: [act.name, act.actor, act.reason],
  })
  if (!row) throw new BusbarError('request.not-found', `there is no alert channel ${act.name}`)
  return deliveryOf(row)
}

import type { AlertChannel, AlertsSettings } from '../define/alerts.ts'
import type { Database } from '../journal/database.ts'
import type { AlertStanding } from '../control/alert-words.ts'
import type { AlertMessage } from '../control/alert-words.ts'
import type { SendOutcome } from './send.ts'

/** A problem that stands otherwise than was told. */
export interface DueChange {
  readonly fp: string
  readonly told: AlertStanding | null
  readonly standing: AlertStanding | 'quiet'
}

/** A message that waits for being sent over a channel. */
export interface PendingDelivery {
  readonly id: number
  readonly channel: string
  readonly message: Omit<AlertMessage, 'id' | 'test'>
  readonly test: boolean
  readonly tries: number
  /** Since it was written. */
  readonly ageMs: number
}

/** What the sender of alerts keeps in the journal. */
export interface AlertStore {
  /** Says which channels there are now. */
  register(hub: string, channels: readonly AlertChannel[]): Promise<void>
  /** Whether this process is the one that tells, for `leaseMs` from now on. */
  hold(holder: string, leaseMs: number): Promise<boolean>
  release(holder: string): Promise<void>
  look(holder: string, settings: AlertsSettings): Promise<readonly DueChange[]>
  /** Messages, and what was told with them, together; false, and nothing is written, when another process tells now. */
  record(record: {
    readonly holder: string
    readonly quietMs: number
    readonly told: readonly {
      readonly fp: string
      readonly standing: AlertStanding
      readonly said: boolean
    }[]
    readonly deliveries: readonly { readonly channel: string; readonly message: PendingDelivery['message'] }[]
  }): Promise<boolean>
  /** The oldest that are due, of one channel. */
  pending(channel: string, limit: number): Promise<readonly PendingDelivery[]>
  settle(delivery: Pick<PendingDelivery, 'id'>, outcome: SendOutcome, nextInMs: number): Promise<void>
}

/** The same in SQL. */
export function sqlAlerts(database: Database): AlertStore {
  return {
    async register(hub, channels) {
      await database.query({
        text: `WITH gone AS (DELETE FROM alert_channels WHERE name <> ALL (SELECT n FROM json_to_recordset($1::json) AS c (n text)))
               INSERT INTO alert_channels (name, hub, kind, address, tells)
               SELECT c.n, $2, c.kind, c.address, ARRAY(SELECT json_array_elements_text(c.tells))
               FROM json_to_recordset($1::json) AS c (n text, kind text, address text, tells json)
               ON CONFLICT (name) DO UPDATE SET hub = excluded.hub, kind = excluded.kind, address = excluded.address, tells = excluded.tells,
                 said_at = clock_timestamp()`,
        values: [
          JSON.stringify(
            channels.map(({ name, kind, address, tells }) => ({ n: name, kind, address, tells })),
          ),
          hub,
        ],
      })
    },

    async hold(holder, leaseMs) {
      const [row] = await database.query<{ held: boolean }>({
        text: 'SELECT hold_alert_sender($1, $2) AS held',
        values: [holder, leaseMs],
      })
      return row?.held ?? false
    },

    async release(holder) {
      await database.query({
        text: `UPDATE alert_sender SET until = '-infinity' WHERE holder = $1`,
        values: [holder],
      })
    },

    look: (holder, { settleMs, quietMs }) =>
      database.query<DueChange>({
        text: 'SELECT fp, told, standing FROM look_for_alerts($1, $2, $3)',
        values: [holder, settleMs, quietMs],
      }),

    async record({ holder, quietMs, told, deliveries }) {
      const [row] = await database.query<{ recorded: boolean }>({
        text: 'SELECT record_alerts($1, $2, $3, $4) AS recorded',
        values: [holder, JSON.stringify(told), JSON.stringify(deliveries), quietMs],
      })
      return row?.recorded ?? false
    },

    // alert_deliveries_pending
    pending: (channel, limit) =>
      database.query<PendingDelivery>({
        text: `SELECT id, channel, message, test, tries,
                      extract(epoch FROM clock_timestamp() - at)::float8 * 1000 AS "ageMs"
               FROM alert_deliveries WHERE channel = $1 AND state = 'pending' AND next_at <= clock_timestamp()
               ORDER BY next_at, id LIMIT $2`,
        values: [channel, limit],
      }),

    async settle({ id }, outcome, nextInMs) {
      const state = { sent: 'sent', later: 'pending', never: 'failed' }[outcome.kind]
      await database.query({
        text: `UPDATE alert_deliveries SET state = $2, tries = tries + 1, error = $3,
                      next_at = clock_timestamp() + $4 * interval '1 ms',
                      ended_at = CASE $2 WHEN 'pending' THEN NULL ELSE clock_timestamp() END
               WHERE id = $1 AND state = 'pending'`, // another may have sent it since
        values: [id, state, outcome.kind === 'sent' ? null : outcome.error, nextInMs],
      })
    },
  }
}

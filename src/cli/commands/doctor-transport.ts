import { knownQueues, relayOf } from '../../control/queries/transport.ts'
import { count } from '../../control/sentence.ts'
import type { Config } from '../../define/config.ts'
import type { Database } from '../../journal/database.ts'
import type { Finding } from './doctor.ts'
import { lagWords } from './queues.ts'

const reachMs = 5_000
/** A relay that is further behind is stuck, or slower than its events come. */
const lateMs = 60_000

/** Whether the broker takes a connection with these credentials. */
export async function brokerFinding({ name, transport }: Config): Promise<Finding> {
  const what = 'transport'
  const { kind, address, connect } = transport
  if (!connect) return { what, state: 'ok', says: 'the log itself: workers read it, and no broker is needed' }
  const first = Promise.withResolvers<string>()
  const onError = (error: unknown) => first.resolve(wordsOf(error)) // it would try again
  const connection = connect({ hub: name, onError, onQueue: () => undefined })
  const timer = setTimeout(() => first.resolve(`no answer within ${reachMs / 1_000} s`), reachMs)
  const fault = await Promise.race([connection.reach().then(() => undefined, wordsOf), first.promise])
  clearTimeout(timer)
  await connection.close()
  if (fault === undefined) return { what, state: 'ok', says: `${kind} at ${address} takes connections` }
  const says = `${kind} at ${address}: ${fault}; workers read the log themselves until it answers`
  return { what, state: 'warning', says }
}

/** How far the relay is, and whether queues are left over; nothing where the log is the transport. */
export async function relayFindings(database: Database, { transport }: Config): Promise<Finding[]> {
  if (!transport.connect) return []
  const relay = await relayOf(database, transport.kind)
  const leftOver = (await knownQueues(database, transport.kind)).filter(({ inUse }) => !inUse).length
  const findings: Finding[] = []
  const what = 'relay'
  if (relay === null) findings.push({ what, state: 'ok', says: 'none has begun yet' })
  else {
    const { holder, oldestMs } = relay
    const fine = (holder !== null || relay.behind === 0) && (oldestMs ?? 0) < lateMs
    const says = `${holder === null ? 'none is live' : `${holder} is live`}, ${lagWords(relay)}`
    findings.push({ what, state: fine ? 'ok' : 'warning', says })
  }
  if (leftOver > 0)
    findings.push({
      what: 'queues',
      state: 'warning',
      says: `${count(leftOver, 'queue')} left over: "busbar queues" shows them, "busbar queues remove" removes one`,
    })
  return findings
}

function wordsOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return typeof message === 'string' && message !== '' ? message : String(code ?? error)
}

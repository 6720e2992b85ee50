import type { Sentence } from './schema/common.ts'
import type { TransportStatus } from './schema/transport.ts'
import { count, say, sentences, time } from './sentence.ts'

/** Not carried for so long: more than work under way. */
const lateMs = 60_000

/** What is wrong with the transport. Whatever it is, workers read the log themselves meanwhile. Pure. */
export function transportFaults({ kind, address, reachable, relay }: TransportStatus): Sentence[] {
  if (kind === 'log') return []
  const faults: Sentence[] = []
  if (reachable === false)
    faults.push(say`The broker at ${address} does not answer: workers read the log themselves`)
  if (!relay?.holder)
    faults.push(say`No live relay: workers read the log themselves until a process with that role starts`)
  if (relay?.oldestAt != null && (relay.oldestMs ?? 0) >= lateMs)
    faults.push(
      say`${count(relay.behind, 'event')} not carried to the broker yet, the oldest accepted ${time(relay.oldestAt)}`,
    )
  return faults
}

/** How the transport stands, in words. Pure. */
export function explainTransport(status: TransportStatus): {
  readonly ok: boolean
  readonly sentence: Sentence
} {
  const { kind, address, leftOver } = status
  const faults = transportFaults(status)
  const words =
    kind === 'log'
      ? [say`Workers read the log themselves: no broker carries events`]
      : faults.length > 0
        ? faults
        : [say`Events are carried to the workers by ${kind} at ${address}`]
  const left =
    leftOver > 0
      ? [
          say`${count(leftOver, 'queue')} ${leftOver === 1 ? 'is' : 'are'} left over, and removed only on command`,
        ]
      : []
  return { ok: faults.length === 0, sentence: sentences([...words, ...left]) }
}

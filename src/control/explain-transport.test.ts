import { describe, expect, it } from 'vitest'
import { explainTransport } from './explain-transport.ts'
import type { Relay, TransportStatus } from './schema/transport.ts'
import { plain } from './sentence.ts'

const relay: Relay = { holder: 'host-1', position: 7, head: 7, behind: 0, oldestAt: null, oldestMs: null }
const rabbit: TransportStatus = {
  kind: 'rabbitmq',
  address: 'amqp://broker',
  reachable: true,
  relay,
  leftOver: 0,
}
const said = (facts: Partial<TransportStatus>) => {
  const { ok, sentence } = explainTransport({ ...rabbit, ...facts })
  return `${ok ? 'ok' : 'not ok'}: ${plain(sentence, (at) => at)}`
}

describe('the transport in words', () => {
  it('says plainly that there is no broker', () => {
    expect(said({ kind: 'log', address: 'the journal', reachable: null, relay: null })).toBe(
      'ok: Workers read the log themselves: no broker carries events.',
    )
  })

  it('is well while a relay carries to a broker that answers', () => {
    expect(said({})).toBe('ok: Events are carried to the workers by rabbitmq at amqp://broker.')
    const young = { ...relay, behind: 3, oldestAt: '2030-01-01T00:00:00Z', oldestMs: 59_000 }
    expect(said({ relay: young })).toMatch(/^ok/)
  })

  it('says what does not work, and that workers go on', () => {
    expect(said({ reachable: false })).toBe(
      'not ok: The broker at amqp://broker does not answer: workers read the log themselves.',
    )
    const nobody = 'No live relay: workers read the log themselves until a process with that role starts.'
    expect(said({ relay: null })).toBe(`not ok: ${nobody}`)
    expect(said({ relay: { ...relay, holder: null } })).toBe(`not ok: ${nobody}`)
    const late = { ...relay, behind: 3, oldestAt: '2030-01-01T00:00:00Z', oldestMs: 60_000 }
    expect(said({ relay: late })).toBe(
      'not ok: 3 events not carried to the broker yet, the oldest accepted 2030-01-01T00:00:00Z.',
    )
  })

  it('counts queues that are left over, which is no fault', () => {
    expect(said({ leftOver: 2 })).toMatch(/^ok: .*\. 2 queues are left over, and removed only on command\.$/)
  })
})

import { randomBytes } from 'node:crypto'
import { underWayUntil } from '../define/abortable.ts'
import { withoutSecrets } from '../define/secrets.ts'
import type { AttemptContext, Connector, Exchange } from '../define/system.ts'
import type { TestOutcome, WatchJournal } from '../journal/port.ts'
import type { Clock } from './clock.ts'
import type { SystemGate } from './gate.ts'
import { failedOutcome } from './outcome.ts'

/** What making a test call needs. */
export interface SystemTestDeps {
  readonly worker: string
  readonly journal: Pick<WatchJournal, 'beginTest' | 'endTest'>
  readonly clock: Clock
  readonly onError: (error: unknown) => void
}

/** The system under test. */
export interface TestedSystem {
  readonly gate: SystemGate
  readonly connector: Connector<unknown>
}

const mostMs = 15_000

/**
 * Makes the test call that somebody has asked for, unless another worker does: one harmless call, within the system's
 * limits, beside its breaker, and records what it came to. Never rejects.
 */
export async function makeTest(test: number, system: TestedSystem, deps: SystemTestDeps): Promise<void> {
  const { journal, worker, onError } = deps
  try {
    if (await journal.beginTest(test, worker))
      await journal.endTest(test, await outcomeOf(system, deps.clock))
  } catch (error) {
    onError(error)
  }
}

async function outcomeOf({ gate, connector }: TestedSystem, clock: Clock): Promise<TestOutcome> {
  if (!connector.check) return notMade('its connector has no check')
  const withinMs = Math.min(mostMs, gate.settings.timeoutMs)
  const made = await gate.beside(() => callOnce(gate, connector, { clock, withinMs }), withinMs)
  return made ?? notMade('all of its calls were in use')
}

function notMade(message: string): TestOutcome {
  return { outcome: 'not-made', class: null, status: null, ms: 0, message, ...told(undefined) }
}

async function callOnce(
  gate: SystemGate,
  connector: Connector<unknown>,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<TestOutcome> {
  const from = clock.monotonic()
  const abort = new AbortController()
  let last: Exchange | undefined
  const late = Promise.withResolvers<never>()
  const cancel = clock.timer(withinMs, () => {
    abort.abort()
    late.reject(new Error('no answer in time'))
  })
  const context = testContext(gate, abort.signal, (exchange) => (last = exchange))
  try {
    await Promise.race([connector.check?.(context), late.promise])
    const ms = clock.monotonic() - from
    return {
      outcome: 'answered',
      class: null,
      status: last?.status ?? null,
      ms,
      message: null,
      ...told(last),
    }
  } catch (error) {
    const timedOut = abort.signal.aborted
    const outcome = failedOutcome(error, { sent: 0, timedOut, readOnly: true, conceal: withoutSecrets })
    const failure = outcome.kind === 'failed' ? outcome : undefined
    return {
      outcome: 'failed',
      class: failure?.class ?? null,
      status: failure?.status || (last?.status ?? null),
      ms: clock.monotonic() - from,
      message: timedOut ? `no answer within ${withinMs / 1_000} s` : (failure?.message ?? null),
      ...told(last),
    }
  } finally {
    cancel()
  }
}

/** As attempts are told. */
function told(exchange: Exchange | undefined): Pick<TestOutcome, 'request' | 'response'> {
  return { request: exchange?.request ?? null, response: exchange?.response ?? null }
}

/** No event is behind it: what identifies the call is made up. */
function testContext(
  gate: SystemGate,
  signal: AbortSignal,
  onExchange: (exchange: Exchange) => void,
): AttemptContext {
  const nobody = { subject: undefined, time: undefined, key: undefined }
  return {
    kind: 'find',
    idempotencyKey: randomBytes(20).toString('hex'),
    traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
    event: { id: 'test', source: 'urn:busbar:test', type: 'busbar.test', ...nobody },
    signal,
    ...underWayUntil(signal),
    conceal: withoutSecrets,
    beforeRequest: async () => {
      await gate.token()
      signal.throwIfAborted()
    },
    checkLease: () => undefined,
    sent: () => undefined,
    record: onExchange,
  }
}

import { afterEach, beforeEach, expect, it } from 'vitest'
import { underWayUntil } from '../../src/define/abortable.ts'
import type { AttemptContext, Connector, Exchange } from '../../src/index.ts'
import { BusbarError, CallError, defineFlow } from '../../src/index.ts'
import type { AmqpCall, AmqpSystemOptions } from '../../src/rabbitmq/index.ts'
import { amqpSystem } from '../../src/rabbitmq/index.ts'
import { orderPlaced, startHub, until } from './hub-rig.ts'
import type { Neighbour } from './rig.ts'
import {
  amqpUrl,
  describeWithBroker,
  describeWithOwnBroker,
  openNeighbour,
  startBroker,
  uniqueName,
} from './rig.ts'

const closers: (() => Promise<void>)[] = []
let shop: Neighbour

beforeEach(async () => {
  shop = await openNeighbour()
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await shop.close()
})

function connect(options: Partial<AmqpSystemOptions> = {}): Connector<AmqpCall> {
  const connector = amqpSystem({ name: 'warehouse', url: amqpUrl, ...options }).connect({ redact: ['pin'] })
  closers.push(() => connector.close())
  return connector
}

/** One attempt, and what the engine would hear of it. */
function attempt(
  connector: Connector<AmqpCall>,
  { timeoutMs = 10_000, key = 'key-1', lease = () => {} } = {},
) {
  const heard = { sent: 0, exchanges: [] as Exchange[] }
  const signal = AbortSignal.timeout(timeoutMs)
  const context: AttemptContext = {
    kind: 'send',
    idempotencyKey: key,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    event: { id: 'e1', source: 's', type: 't', subject: undefined, time: undefined, key: undefined },
    signal,
    ...underWayUntil(signal),
    beforeRequest: async () => {},
    checkLease: lease,
    conceal: (text) => text,
    sent: () => void heard.sent++,
    record: (exchange) => void heard.exchanges.push(exchange),
  }
  return { call: connector.open(context), heard }
}

async function failureOf(promise: Promise<unknown>): Promise<CallError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CallError)
  return error as CallError
}

describeWithBroker('a broker as a system', () => {
  it('publishes persistent JSON under the idempotency key, and records it without secrets', async () => {
    const queue = await shop.queue('picks')
    const { call, heard } = attempt(connect())
    const published = await call.publish(
      queue,
      { number: 'A', pin: '4711' },
      { headers: { region: 'north' } },
    )
    await call.publish(queue, 'text')
    expect(published).toEqual({ exchange: '', routingKey: queue, messageId: 'key-1' })
    expect(await shop.take(queue)).toMatchObject({
      body: { number: 'A', pin: '4711' },
      envelope: {
        messageId: 'key-1',
        correlationId: 'e1',
        contentType: 'application/json',
        durable: true,
        headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', region: 'north' },
      },
    })
    expect(await shop.take(queue)).toMatchObject({ envelope: { messageId: 'key-1-2' } })
    expect(heard.sent).toBe(2)
    expect(heard.exchanges[0]).toMatchObject({ response: 'confirmed' })
    expect(heard.exchanges[0]?.request).toMatch(/^PUBLISH \/\/.*"number":"A"/s)
    expect(heard.exchanges[0]?.request).not.toContain('4711')
  })

  it('publishes nothing when the lease was lost while it waited for a channel', async () => {
    const queue = await shop.queue('picks')
    const lost = () => {
      throw new BusbarError('journal.lease-lost', 'lost')
    }
    const { call, heard } = attempt(connect(), { lease: lost })
    await expect(call.publish(queue, {})).rejects.toMatchObject({ code: 'journal.lease-lost' })
    expect(heard.sent).toBe(0)
    expect(await shop.ready(queue)).toBe(0)
  })

  it('says of a message that reached no queue that it is unroutable, of no other', async () => {
    const queue = await shop.queue('picks')
    const connector = connect()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        attempt(connector, { key: `k${index}` }).call.publish(index % 2 ? queue : uniqueName('nowhere'), {
          index,
        }),
      ),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(
      outcomes.map((_, index) => (index % 2 ? 'fulfilled' : 'rejected')),
    )
    const error = await failureOf(attempt(connector).call.publish(uniqueName('nowhere'), {}))
    expect(error).toMatchObject({ class: 'invalid', vendorCode: 'call.unroutable' })
    await attempt(connector).call.publish(uniqueName('nowhere'), {}, { mandatory: false })
  })

  it('refuses an exchange that is missing, also one removed meanwhile, without harm to other messages', async () => {
    const queue = await shop.queue('picks')
    const connector = connect()
    const missing = uniqueName('missing')
    const [wrong, right] = await Promise.allSettled([
      attempt(connector).call.publish('a', {}, { exchange: missing }),
      attempt(connector).call.publish(queue, {}),
    ])
    expect(right.status).toBe('fulfilled')
    expect(wrong).toMatchObject({ reason: { class: 'invalid', vendorCode: 'NOT_FOUND' } })

    const exchange = await shop.exchange('picks', 'fanout')
    await attempt(connector).call.publish('a', {}, { exchange, mandatory: false })
    await shop.connection.exchangeDelete({ exchange })
    const error = await failureOf(attempt(connector).call.publish('a', {}, { exchange }))
    expect(error).toMatchObject({ class: 'invalid', vendorCode: 'NOT_FOUND' })
    await attempt(connector).call.publish(queue, {})
  })

  it('says unavailable where nobody listens, and credential where the password is wrong', async () => {
    const nobody = attempt(connect({ url: 'amqp://guest:guest@127.0.0.1:1', timeout: '1s' }))
    expect(await failureOf(nobody.call.publish('q', {}))).toMatchObject({ class: 'unavailable' })
    expect(nobody.heard.sent).toBe(0)
    const url = new URL(amqpUrl)
    url.password = 'wrong'
    const stranger = attempt(connect({ url: url.href, timeout: '1s' }))
    const error = await failureOf(stranger.call.publish('q', {}))
    expect(error).toMatchObject({ class: 'credential' })
    expect(error.message).not.toContain('wrong')
  })

  it.each([
    ['r'.repeat(256), {}, {}, 'routingKey must not be longer'],
    ['q', undefined, {}, 'the body is undefined'],
    ['q', {}, { headers: { a: {} as string } }, 'header "a" must be'],
  ])('refuses what AMQP cannot carry before it is sent', async (key, body, options, message) => {
    const { call, heard } = attempt(connect())
    const error = await failureOf(call.publish(key, body, options))
    expect(error.class).toBe('invalid')
    expect(error.message).toContain(message)
    expect(heard.sent).toBe(0)
  })

  it('is called by flows: one message of each event', async () => {
    const queue = await shop.queue('picks')
    const warehouse = amqpSystem({ name: 'warehouse', url: amqpUrl })
    const flow = defineFlow('pick')
      .on(orderPlaced)
      .step('send', warehouse, { run: ({ event, call }) => call.publish(queue, event.data) })
    const rig = await startHub({ flows: [flow], works: true })
    closers.push(() => rig.close())
    await rig.hub.publish(orderPlaced, { number: 'A' }, { id: 'o1' })
    await until(async () => (await shop.ready(queue)) === 1)
    expect(await shop.take(queue)).toMatchObject({ body: { number: 'A' }, envelope: { correlationId: 'o1' } })
  })
})

describeWithOwnBroker('a broker in trouble', () => {
  it(
    'does not hang on one that blocks publishers, and goes on when it is well again',
    { timeout: 90_000 },
    async () => {
      const broker = await startBroker()
      closers.push(() => broker.stop())
      const own = await openNeighbour(broker.url)
      closers.push(() => own.close())
      const queue = await own.queue('picks')
      const connector = connect({ url: broker.url })
      await attempt(connector).call.publish(queue, {})
      await broker.raiseAlarm()
      const first = attempt(connector, { timeoutMs: 1_500 })
      expect(await failureOf(first.call.publish(queue, {}))).toMatchObject({ class: 'unknown' })
      const second = attempt(connector)
      expect(await failureOf(second.call.publish(queue, {}))).toMatchObject({
        class: 'throttled',
        vendorCode: 'amqp.blocked',
      })
      expect(second.heard.sent).toBe(0)
      await broker.clearAlarm()
      await until(async () =>
        attempt(connector)
          .call.publish(queue, {})
          .then(
            () => true,
            () => false,
          ),
      )

      await broker.kill()
      expect(['unknown', 'unavailable']).toContain(
        (await failureOf(attempt(connector, { timeoutMs: 1_000 }).call.publish(queue, {}))).class,
      )
      await broker.start()
      await attempt(connector, { timeoutMs: 20_000 })
        .call.publish(queue, {})
        .catch(() => undefined)
      await until(async () =>
        attempt(connector)
          .call.publish(queue, {})
          .then(
            () => true,
            () => false,
          ),
      )
    },
  )
})

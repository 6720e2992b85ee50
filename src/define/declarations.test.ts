import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  defineConfig,
  defineEvent,
  defineFlow,
  defineSystem,
  embedded,
  expectEvent,
  postgres,
} from '../index.ts'
import type { ConfigOptions, EchoOptions, SystemOptions } from '../index.ts'

const placed = defineEvent({ type: 'order.placed', schema: z.object({ number: z.string() }) })
const connect = () => ({ open: () => undefined, close: async () => undefined })
const system = (options: Omit<SystemOptions, 'name'> = {}) =>
  defineSystem<undefined>({ name: 'erp', connect, ...options })
const flow = (name: string, to = system()) =>
  defineFlow(name)
    .on(placed)
    .step('sale', to, { run: () => 1 })
const expectation = (options: object = {}) =>
  expectEvent(placed, { after: placed, within: '1h', ...options } as never)
const echoing = (echo: object) =>
  defineEvent({ type: 'crm.changed', schema: z.object({}), echo: echo as EchoOptions<object> })
/** As a project without a type check has it. */
const untyped = (options: object) => defineConfig(options as ConfigOptions)

describe('a configuration that cannot be meant is refused with the culprit named', () => {
  it.each([
    ['flows must be an array, if only []', () => untyped({})],
    [
      'flows[1] is no such thing: it must come from defineFlow(…).on(…).step(…)',
      () => untyped({ flows: [flow('a'), defineFlow('b').on(placed)] }),
    ],
    ['flows[0] is no such thing', () => untyped({ flows: [undefined] })],
    [
      'sources[0] is no such thing: it must come from webhookSource({ … })',
      () => untyped({ flows: [], sources: [{}] }),
    ],
    ['events[0] is no such thing', () => untyped({ flows: [], events: [z.string()] })],
    [
      'event "crm.changed", "echo": "system" is missing',
      () => echoing({ object: () => 'C', fields: () => ({}) }),
    ],
    [
      'event "crm.changed", "echo": "object" is missing',
      () => echoing({ system: 'crm', fields: () => ({}) }),
    ],
    [
      'event "crm.changed", "echo": give "fields", "version" or both',
      () => echoing({ system: 'crm', object: () => 'C' }),
    ],
    [
      'event "crm.changed", "echo.window" in ms must be a number at least 1000',
      () => echoing({ system: 'crm', object: () => 'C', fields: () => ({}), window: '10ms' }),
    ],
    [`flow "a": echoes must be 'skip' or 'run', not "no"`, () => defineFlow('a', { echoes: 'no' as 'skip' })],
    [
      'flow "a", step "sale": "version" is of no use without "writes"',
      () =>
        defineFlow('a')
          .on(placed)
          .step('sale', system(), { run: () => 1, version: () => '1' }),
    ],
    [
      'flow "a", step "sale": "undoWrites" is of no use without "undo"',
      () =>
        defineFlow('a')
          .on(placed)
          .step('sale', system(), { run: () => 1, undoWrites: () => undefined }),
    ],
    [
      'flow "a", step "sale": "run" is missing',
      () =>
        untyped({
          flows: [
            defineFlow('a')
              .on(placed)
              .step('sale', system(), {} as never),
          ],
        }),
    ],
    ['two flows are named "a"', () => defineConfig({ flows: [flow('a'), flow('a')] })],
    [
      'two systems are named "erp"',
      () => defineConfig({ flows: [flow('a', system()), flow('b', system())] }),
    ],
    [
      'event type "order.placed" is declared twice',
      () =>
        defineConfig({
          flows: [flow('a')],
          events: [defineEvent({ type: 'order.placed', schema: z.any() })],
        }),
    ],
    [
      '"orders/2026" is not a valid flow name: after a slash there must be more than a number',
      () => flow('orders/2026'),
    ],
    [
      'expectations[0] is no such thing: it must come from expectEvent(…)',
      () => untyped({ flows: [], expectations: [{}] }),
    ],
    [
      'two expectations are named "order.placed after order.placed"',
      () => defineConfig({ flows: [], expectations: [expectation(), expectation()] }),
    ],
    [
      'expectEvent("order.placed"): "after" must come from defineEvent',
      () => expectation({ after: undefined }),
    ],
    [
      'expectEvent: the expected event must come from defineEvent',
      () => expectEvent({} as never, {} as never),
    ],
    ['expectation "x": within must be a number greater than 0', () => expectation({ name: 'x', within: 0 })],
    ['expectation "x": within: "soon" is not a duration', () => expectation({ name: 'x', within: 'soon' })],
    ['within must be a number greater than 0 and at most 34560000000', () => expectation({ within: '401d' })],
    ['"a b" is not a valid expectation name', () => expectation({ name: 'a b' })],
    ['"match" must be \'key\', or { after, expected }', () => expectation({ match: { after: () => 'x' } })],
    ['"when" must be a function', () => expectation({ when: true })],
    ['lookBack must be a number at least 0 and at most', () => expectation({ lookBack: '500d' })],
    [
      'expectation "x", calendar: "UTZ" is not a time zone',
      () => expectation({ name: 'x', calendar: { timeZone: 'UTZ' } }),
    ],
    [
      'with this calendar "within" takes more than 10 years',
      () =>
        expectation({
          within: '30d',
          calendar: { timeZone: 'UTC', days: ['mon'], from: '08:00', to: '09:00' },
        }),
    ],
    ['event "a" has no schema', () => defineEvent({ type: 'a', schema: undefined as never })],
    [
      'http.port must be a whole number at least 0 and at most 65535, not 70000',
      () => defineConfig({ flows: [], http: { port: 70_000 } }),
    ],
    [
      'http.maxDepth must be a whole number at least 1, not 0',
      () => defineConfig({ flows: [], http: { maxDepth: 0 } }),
    ],
    [
      'http.maxPending.bytes must be',
      () => defineConfig({ flows: [], http: { maxPending: { events: 1, bytes: Number.NaN } } }),
    ],
    [
      'http.rateLimit.perSecond must be a number greater than 0, not 0',
      () => defineConfig({ flows: [], http: { rateLimit: { perSecond: 0 } } }),
    ],
    [
      'postgres() needs a url such as postgres://user@host/database, and was given none',
      () => postgres({ url: undefined as never }),
    ],
    [
      'the schema of postgres() has 1 to 63 bytes',
      () => postgres({ url: 'postgres://a/b', schema: 'x'.repeat(64) }),
    ],
    [
      'postgres(): maxConnections must be a whole number at least 1, not 0',
      () => postgres({ url: 'postgres://a/b', maxConnections: 0 }),
    ],
    [
      'system "erp": limits.concurrency must be a whole number at least 1, not 0',
      () => system({ limits: { concurrency: 0 } }),
    ],
    [
      'system "erp": limits.concurrency must be a whole number at least 1, not "5"',
      () => system({ limits: { concurrency: '5' as never } }),
    ],
    [
      'system "erp": limits.rate.per must be a number greater than 0',
      () => system({ limits: { rate: { max: 1, per: '0s' } } }),
    ],
    [
      'system "erp": breaker.failureRatio must be a number greater than 0 and at most 1, not 50',
      () => system({ breaker: { failureRatio: 50 } }),
    ],
    [
      'system "erp": timeout must be a number greater than 0 and at most 2147483647, not 2592000000',
      () => system({ timeout: '30d' }),
    ],
    ['"30 s" is not a duration', () => system({ timeout: '30 s' as never })],
  ])('%s', (message, declare) => {
    expect(declare).toThrow(message)
  })

  it('the url of a database is not repeated: it may hold a password', () => {
    expect(() => postgres({ url: 'user:secret@host/orders' })).toThrow(/^(?!.*secret).*needs a url/)
  })
})

it('takes the edges of every range', () => {
  expect(
    system({ limits: { concurrency: 1 }, breaker: { failureRatio: 1 }, settle: 0 }).settings,
  ).toMatchObject({
    concurrency: 1,
    settleMs: 0,
  })
  expect(defineConfig({ flows: [], http: { port: 0, rateLimit: { perSecond: 0.1 } } }).http).toMatchObject({
    port: 0,
  })
  expect(postgres({ url: 'postgresql:///orders?host=/run/postgresql' })).toMatchObject({ schema: 'busbar' })
  expect(embedded()).toEqual({ kind: 'embedded', folder: '.busbar' })
})

import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent } from '../define/event.ts'
import { defineFlow } from '../define/flow.ts'
import type { StoredEvent } from '../journal/port.ts'
import { httpSystem } from '../systems/http.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { PreviewedRun } from './preview.ts'
import { previewRuns } from './preview.ts'

const placed = defineEvent({ type: 'order.placed', schema: z.object({ number: z.string() }) })
const erp = httpSystem({ name: 'erp', baseUrl: 'http://127.0.0.1:9' })
const clock = () => new VirtualClock(0)
const event = (more: Partial<StoredEvent> = {}): StoredEvent => ({
  ...{ seq: 1, source: 'urn:test', id: 'a', type: 'order.placed', key: null, khash: 0, receivedAt: 0 },
  ...{ data: '{"number":"A"}', ext: '{}', ...more },
})
const run = (more: Partial<PreviewedRun> = {}): PreviewedRun => ({
  event: event(),
  keyGen: 0,
  results: new Map(),
  ...more,
})
const deps = { hub: 'test', redact: ['taxId'] }

it('shows the first request of a step as records hold it, secrets redacted, under the key that would be sent', async () => {
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, {
      run: async ({ event: { data }, call }) => {
        await call.post('/sales', { ...data, taxId: 'DE1' })
        await call.post('/never')
      },
    })
  const both = [run(), run({ keyGen: 1 })]
  const [[first], [second]] = (await previewRuns(flow, both, { ...deps, clock: clock() })) as never as [
    [{ request: string }],
    [{ request: string }],
  ]
  expect(first.request).toMatch(/^POST \/sales\n[\s\S]*\n\n\{"number":"A","taxId":"\[redacted\]"\}$/)
  const keyOf = ({ request }: { request: string }) => /idempotency-key: (\w+)/.exec(request)?.[1]
  expect(keyOf(first)).toHaveLength(40)
  expect(keyOf(second)).not.toBe(keyOf(first))
})

it('says why there is nothing to show', async () => {
  const flow = defineFlow('book')
    .on(placed)
    .step('throws', erp, {
      run: () => {
        throw new Error('no such country')
      },
    })
    .step('silent', erp, { run: () => 'done' })
    .step('needs', erp, { after: ['silent'], run: ({ results, call }) => call.post(`/${results.silent}`) })
    .step('not', erp, { when: () => false, run: ({ call }) => call.post('/not') })
  const [previews] = await previewRuns(flow, [run()], { ...deps, clock: clock() })
  expect(previews?.map(({ step, why, skipped }) => [step, why, skipped])).toEqual([
    ['throws', 'no such country', false],
    ['silent', 'it sends nothing', false],
    ['needs', 'it needs what silent gives, and no result of that is known', false],
    ['not', 'its condition says no', true],
  ])
})

it('does not wait for a step that never comes to a request', async () => {
  const time = clock()
  const flow = defineFlow('book')
    .on(placed)
    .step('hangs', erp, { run: () => new Promise<void>(() => undefined) })
  const previews = previewRuns(flow, [run()], { ...deps, clock: time })
  while (time.nextAt === undefined) await new Promise((resolve) => setImmediate(resolve))
  time.moveTo(time.nextAt)
  expect((await previews)[0]).toMatchObject([{ why: 'it sends nothing within 2 s', request: undefined }])
})

it('of an event that the contract no longer accepts says so for each step', async () => {
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, { run: ({ call }) => call.post('/sales') })
  const runs = [run({ event: event({ data: '{}' }) }), run({ event: event({ type: 'order.gone' }) })]
  const [[invalid] = [], [unknown] = []] = await previewRuns(flow, runs, { ...deps, clock: clock() })
  expect(invalid?.why).toContain('no longer passes the contract')
  expect(unknown?.why).toBe('no contract for "order.gone"')
})

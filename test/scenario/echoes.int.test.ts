import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { compileFunction } from 'node:vm'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { EchoOptions } from '../../src/define/echo.ts'
import { defineEvent, defineFlow, httpSystem } from '../../src/index.ts'
import { startWorld, stub } from '../../src/testing/index.ts'
import type { StubAnswer, StubRequest, World } from '../../src/testing/index.ts'

const Customer = z.object({ id: z.string(), name: z.string(), version: z.string().optional() })
type CustomerData = z.infer<typeof Customer>

const crm = httpSystem({ name: 'crm', baseUrl: 'https://crm.example.com', timeout: '10s' })
const erp = httpSystem({ name: 'erp', baseUrl: 'https://erp.example.com' })
const files = httpSystem({ name: 'files', baseUrl: 'https://files.example.com' })

const erpChanged = defineEvent({ type: 'erp.customer.changed', schema: Customer, key: ({ id }) => id })

/** The CRM tells of a change, and by what its echo is to be known. */
function crmEvent(by: 'fields' | 'version' | 'both', more: Partial<EchoOptions<CustomerData>> = {}) {
  return defineEvent<'crm.customer.changed', typeof Customer>({
    type: 'crm.customer.changed',
    schema: Customer,
    key: ({ id }) => id,
    echo: {
      system: crm,
      object: ({ id }) => id,
      ...(by !== 'version' && { fields: ({ name }) => ({ name }) }),
      ...(by !== 'fields' && { version: ({ version }) => version }),
      ...more,
    },
  })
}
const crmChanged = crmEvent('fields')

const versionOf = (result: unknown) => (result as { version?: string } | undefined)?.version

/** What the ERP says is written to the CRM. */
function toCrm(by: 'fields' | 'version' | 'both', name = 'to-crm') {
  return defineFlow(name)
    .on(erpChanged)
    .step('customer', crm, {
      run: ({ event, call }) => call.put<{ version?: string }>(`/customers/${event.data.id}`, event.data),
      writes: ({ event: { data } }) => ({
        object: data.id,
        ...(by !== 'version' && { fields: { name: data.name } }),
      }),
      ...(by !== 'fields' && { version: versionOf }),
    })
}

function toErp(contract = crmChanged, options: Parameters<typeof defineFlow>[1] = {}, name = 'to-erp') {
  return defineFlow(name, options)
    .on(contract)
    .step('customer', erp, { run: ({ event, call }) => call.put(`/customers/${event.data.id}`, event.data) })
}

/** The runs of a flow as `succeeded` and with their code, in log order. */
async function runsOf(world: World, flow = 'to-erp'): Promise<string[]> {
  return (await world.runs())
    .filter((run) => run.flow === flow)
    .map(({ state, code }) => (code ? `${state} ${code}` : state))
}

/** The names that reached a system, in order. */
function reached(world: World, system: { readonly name: string }): string[] {
  return world.calls(system).map(({ body }) => (body as CustomerData).name)
}

const change = (name: string, version?: string) => ({ id: 'C-7', name, ...(version && { version }) })

/** Answers with versions 1, 2, 3 … */
const versions = ({ number }: StubRequest): StubAnswer => ({ body: { version: String(number) } })

describe('an echo of our own write starts no run', () => {
  it('known by its fields', async () => {
    await using world = await startWorld({ flows: [toCrm('fields'), toErp()] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.publish(crmChanged, { id: 'C-8', name: 'B' })
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded'])
    expect(world.calls(erp).map(({ path }) => path)).toEqual(['/customers/C-8'])
  })

  it('known by the version that the target returned', async () => {
    const told = crmEvent('version')
    await using world = await startWorld({
      flows: [toCrm('version'), toErp(told)],
      systems: [stub(crm, { answer: versions })],
    })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(told, change('whatever', '1'))
    await world.publish(told, change('B', '2'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded'])
  })

  it('A26: the webhook outruns our answer, by fields', async () => {
    await using world = await startWorld({
      flows: [toCrm('fields'), toErp()],
      systems: [stub(crm, { latency: '2s' })],
    })
    await world.publish(erpChanged, change('B'))
    await world.advance('500ms')
    expect(reached(world, crm)).toEqual(['B'])
    await world.publish(crmChanged, change('B'))
    await world.advance('1s')
    expect(await runsOf(world)).toEqual([])
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo'])
    expect(world.calls(erp)).toEqual([])
  })

  it('A26: the webhook outruns the version that will tell', async () => {
    const told = crmEvent('version')
    await using world = await startWorld({
      flows: [toCrm('version'), toErp(told)],
      systems: [stub(crm, { latency: '2s', answer: versions })],
    })
    await world.publish(erpChanged, change('B'))
    await world.advance('500ms')
    await world.publish(told, change('B', '1'))
    await world.publish(told, change('C', '2'))
    await world.advance('1s')
    expect(world.calls(erp)).toEqual([])
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded'])
    expect(reached(world, erp)).toEqual(['C'])
  })

  it('two writes in quick succession, their echoes in order', async () => {
    await using world = await startWorld({ flows: [toCrm('fields'), toErp()] })
    await world.publish(erpChanged, change('B'))
    await world.publish(erpChanged, change('D'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.advance('2s')
    await world.publish(crmChanged, change('D'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'skipped echo'])
  })

  it('two writes in quick succession, their echoes in the wrong order: both known by version; by fields the older one runs', async () => {
    const told = crmEvent('both')
    for (const [by, expected] of [
      ['both', ['skipped echo', 'skipped echo']],
      ['fields', ['skipped echo', 'succeeded']],
    ] as const) {
      await using world = await startWorld({
        flows: [toCrm(by), toErp(told)],
        systems: [stub(crm, { answer: versions })],
      })
      await world.publish(erpChanged, change('B'))
      await world.publish(erpChanged, change('D'))
      await world.untilIdle()
      await world.publish(told, change('D', '2'))
      await world.publish(told, change('B', '1'))
      await world.untilIdle()
      expect(await runsOf(world)).toEqual(expected)
    }
  })

  it('an outcome that is not known leaves the write known', async () => {
    let asked = 0
    await using world = await startWorld({
      flows: [toCrm('fields'), toErp()],
      systems: [stub(crm, { answer: () => (++asked === 1 ? 'timeout' : {}) })],
    })
    await world.publish(erpChanged, change('B'))
    await world.advance('5s')
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo'])
    expect(world.calls(crm).length).toBe(2)
  })

  it('what `find` finds gives the version', async () => {
    const told = crmEvent('version')
    const flow = defineFlow('to-crm')
      .on(erpChanged)
      .step('customer', crm, {
        run: ({ event, call }) => call.put<{ version: string }>('/customers', event.data),
        find: ({ call }) => call.find<{ version: string }>('/customers', { id: 'C-7' }),
        writes: ({ event }) => ({ object: event.data.id }),
        version: (result) => result?.version,
      })
    await using world = await startWorld({
      flows: [flow, toErp(told)],
      systems: [
        stub(crm, {
          answer: ({ method }) => (method === 'GET' ? { body: [{ id: 'C-7', version: '9' }] } : 'timeout'),
        }),
      ],
    })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(told, change('B', '9'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo'])
  })

  it('delivered again under the same id it is a duplicate; under another id it runs, as nobody can tell', async () => {
    await using world = await startWorld({ flows: [toCrm('fields'), toErp()] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'), { id: 'w1' })
    expect(await world.publish(crmChanged, change('B'), { id: 'w1' })).toMatchObject({ duplicate: true })
    await world.publish(crmChanged, change('B'), { id: 'w2' })
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded'])
  })

  it('every flow that subscribes skips it, in groups of their own and in one; one that wants to see echoes runs', async () => {
    const flows = [
      toErp(crmChanged, {}, 'alone'),
      toErp(crmChanged, { lane: 'shared' }, 'shared-1'),
      toErp(crmChanged, { lane: 'shared' }, 'shared-2'),
      toErp(crmChanged, { echoes: 'run' }, 'audit'),
    ]
    await using world = await startWorld({ flows: [toCrm('fields'), ...flows] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    for (const name of ['alone', 'shared-1', 'shared-2'])
      expect(await runsOf(world, name)).toEqual(['skipped echo'])
    expect(await runsOf(world, 'audit')).toEqual(['succeeded'])
  })

  it('a flow that lags behind skips what the others have recognised long ago', async () => {
    const late = defineFlow('late')
      .on(crmChanged)
      .step('copy', files, { run: ({ event, call }) => call.put('/copies', event.data) })
    await using world = await startWorld({ flows: [toCrm('fields'), toErp(), late] })
    await world.pause(files)
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.publish(crmChanged, change('B'))
    await world.advance('3h')
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded'])
    await world.pause(files, false)
    await world.untilIdle()
    expect(await runsOf(world, 'late')).toEqual(['skipped echo', 'succeeded'])
  })

  it('takes its turn in its lane, also where that waits in rows', async () => {
    await using world = await startWorld({
      flows: [toCrm('fields'), toErp()],
      systems: [stub(erp, { failFirst: 3 })],
    })
    await world.publish(erpChanged, change('B'))
    await world.advance('1s')
    for (const name of ['A', 'B', 'C']) await world.publish(crmChanged, change(name))
    await world.untilIdle()
    // A came between the write and its echo: B is not known to be ours any more.
    expect(await runsOf(world)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    await world.publish(erpChanged, change('D'))
    await world.untilIdle()
    await world.publish(crmChanged, change('D'))
    await world.publish(crmChanged, change('E'))
    await world.untilIdle()
    expect((await runsOf(world)).slice(3)).toEqual(['skipped echo', 'succeeded'])
    expect(reached(world, erp).slice(-4)).toEqual(['A', 'B', 'C', 'E'])
  })

  it('waits in a row behind a parked run, and is skipped when that is gone', async () => {
    await using world = await startWorld({
      flows: [toCrm('fields'), toErp()],
      systems: [
        stub(erp, { answer: ({ body }) => ({ status: (body as CustomerData).name === 'X' ? 422 : 200 }) }),
      ],
    })
    await world.publish(crmChanged, change('X'))
    await world.untilIdle()
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    const [parked, behind] = (await world.runs()).filter(({ flow }) => flow === 'to-erp')
    expect([parked?.state, behind?.state]).toEqual(['parked', 'waiting'])
    await world.act('skip', parked!)
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped call.invalid', 'skipped echo'])
  })

  it('in a flow of several steps, before the first', async () => {
    const flow = defineFlow('to-erp', { onFailure: 'compensate' })
      .on(crmChanged)
      .wait('pause', { for: '1h' })
      .step('customer', erp, {
        after: ['pause'],
        run: ({ event, call }) => call.put('/customers', event.data),
      })
    await using world = await startWorld({ flows: [toCrm('fields'), flow] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.publish(crmChanged, change('C'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded'])
    expect(reached(world, erp)).toEqual(['C'])
  })

  it('of the undo of a write, too', async () => {
    const flow = defineFlow('to-crm', { onFailure: 'compensate' })
      .on(erpChanged)
      .step('customer', crm, {
        run: ({ event, call }) => call.put('/customers', event.data),
        writes: ({ event }) => ({ object: event.data.id, fields: { name: event.data.name } }),
        undo: ({ call }) => call.put('/customers', change('A')),
        undoWrites: ({ event }) => ({ object: event.data.id, fields: { name: 'A' } }),
      })
      .step('file', files, { after: ['customer'], run: ({ call }) => call.post('/files', {}) })
    await using world = await startWorld({
      flows: [flow, toErp()],
      systems: [stub(files, { answer: () => ({ status: 422 }) })],
    })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    expect(reached(world, crm)).toEqual(['B', 'A'])
    for (const name of ['B', 'A']) await world.publish(crmChanged, change(name))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'skipped echo'])
  })
})

describe('a real change is never swallowed', () => {
  it('A, our B, somebody’s C, somebody’s B: the last B runs', async () => {
    await using world = await startWorld({ flows: [toCrm('fields'), toErp()] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    for (const name of ['C', 'B']) await world.publish(crmChanged, change(name))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded', 'succeeded'])
  })

  it('the same with the echo in its place', async () => {
    await using world = await startWorld({ flows: [toCrm('fields'), toErp()] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    for (const name of ['B', 'C', 'B']) await world.publish(crmChanged, change(name))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['skipped echo', 'succeeded', 'succeeded'])
  })

  it('an echo that never came does not wait for ever', async () => {
    const told = crmEvent('fields', { window: '10m' })
    await using world = await startWorld({ flows: [toCrm('fields'), toErp(told)] })
    await world.publish(erpChanged, change('B'))
    await world.advance('11m')
    await world.publish(told, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded'])
  })

  it('our B and our D, told as one by somebody’s return to B', async () => {
    await using world = await startWorld({ flows: [toCrm('fields'), toErp()] })
    for (const name of ['B', 'D']) await world.publish(erpChanged, change(name))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded'])
  })

  it('somebody sets our values while our write fails', async () => {
    await using world = await startWorld({
      flows: [toCrm('fields'), toErp()],
      systems: [stub(crm, { latency: '2s', answer: () => ({ status: 422 }) })],
    })
    await world.publish(erpChanged, change('B'))
    await world.advance('500ms')
    await world.publish(crmChanged, change('B'))
    await world.advance('1s')
    expect(await runsOf(world)).toEqual([])
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded'])
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded', 'succeeded'])
  })

  it('a version that was never told: the change runs, after the attempt’s time at the latest', async () => {
    const told = crmEvent('version')
    await using world = await startWorld({
      flows: [toCrm('version'), toErp(told)],
      systems: [stub(crm, { answer: () => 'timeout' })],
    })
    await world.publish(erpChanged, change('B'))
    await world.advance('500ms')
    await world.publish(told, change('B', '1'))
    await world.advance('5s')
    expect(await runsOf(world)).toEqual([])
    await world.advance('10s')
    expect(await runsOf(world)).toEqual(['succeeded'])
  })

  it('somebody’s change that another type of event tells of, which only a flow that stands still runs on', async () => {
    const archived = defineEvent({
      type: 'crm.customer.archived',
      schema: Customer,
      key: ({ id }) => id,
      echo: { system: 'crm', object: ({ id }) => id, fields: () => ({ archived: true }) },
    })
    const file = defineFlow('file')
      .on(archived)
      .step('copy', files, { run: ({ event, call }) => call.put('/copies', event.data) })
    await using world = await startWorld({ flows: [toCrm('fields'), toErp(), file] })
    await world.pause(files)
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(archived, change('B'))
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded'])
    expect(await runsOf(world, 'file')).toEqual([])
  })

  it('another object, another system, a write to nothing', async () => {
    const flow = defineFlow('to-files')
      .on(erpChanged)
      .step('copy', files, {
        run: ({ event, call }) => call.put('/copies', event.data),
        writes: ({ event }) => ({ object: event.data.id, fields: { name: event.data.name } }),
      })
    const nothing = defineFlow('nothing')
      .on(erpChanged)
      .step('look', crm, { run: ({ call }) => call.get('/customers'), writes: () => undefined })
    await using world = await startWorld({
      flows: [flow, nothing, toErp()],
      systems: [stub(crm, { answer: () => ({}) })],
    })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded'])
    expect((await runsOf(world, 'nothing')).concat(await runsOf(world, 'to-files'))).toEqual([
      'succeeded',
      'succeeded',
    ])
  })

  it('an event whose `echo` fails runs', async () => {
    const told = crmEvent('fields', {
      object: () => {
        throw new Error('no such thing')
      },
    })
    await using world = await startWorld({ flows: [toCrm('fields'), toErp(told)] })
    await world.publish(erpChanged, change('B'))
    await world.untilIdle()
    await world.publish(told, change('B'))
    await world.untilIdle()
    expect(await runsOf(world)).toEqual(['succeeded'])
  })
})

it('a step that says wrongly what it writes sends nothing and is parked', async () => {
  const bad = defineFlow('to-crm')
    .on(erpChanged)
    .step('customer', crm, {
      run: ({ event, call }) => call.put('/customers', event.data),
      writes: () => ({ object: 'C-7' }),
    })
  await using world = await startWorld({ flows: [bad] })
  await world.publish(erpChanged, change('B'))
  await world.untilIdle()
  const [run] = await world.runs()
  expect(run).toMatchObject({ state: 'parked', code: 'call.invalid' })
  expect(run?.message).toContain('"writes" of step "customer": "fields" is missing')
  expect(world.calls(crm)).toEqual([])
})

it('the worked example of docs/echoes.md: text and code are the same, and it does what it says', async () => {
  const text = readFileSync(new URL('../../docs/echoes.md', import.meta.url), 'utf8')
  const [example = '', inTests = ''] = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, code = '']) => code,
  )
  const names = ['z', 'assert', 'defineEvent', 'defineFlow', 'crm', 'erp', 'startWorld', 'stub']
  const program = ts.transpile(`${example.replaceAll('export ', '')}\n${inTests}`, {
    target: ts.ScriptTarget.ES2023,
  })
  const run = compileFunction(`return (async () => {${program}})()`, names) as (
    ...values: unknown[]
  ) => Promise<void>
  await run(z, assert, defineEvent, defineFlow, crm, erp, startWorld, stub)
})

describe("an echo where only the latest counts ('latest')", () => {
  const latest = (first: string) =>
    defineFlow('to-erp', { ordering: 'latest' })
      .on(crmChanged)
      .step('customer', erp, {
        retry: { first: first as '1m', factor: 1, attempts: 5 },
        run: ({ event, call }) => call.put(`/customers/${event.data.id}`, event.data),
      })

  /** A change of the CRM that fails at first; before it is tried again, our own write to the CRM comes back. */
  async function failsBeforeEcho(
    first: string,
    fails: { readonly latency?: '300ms'; readonly wait: string },
  ) {
    const { latency, wait } = fails
    const systems = [stub(erp, { failFirst: 1, ...(latency && { latency }) })]
    const world = await startWorld({ flows: [toCrm('fields'), latest(first)], systems })
    await world.publish(crmChanged, change('A'))
    await world.advance(wait as '2s')
    await world.publish(erpChanged, change('B'))
    await world.advance('50ms')
    await world.publish(crmChanged, change('B'))
    await world.untilIdle()
    return world
  }

  it.each([
    ['waits in a row', '1m', { wait: '2s' }],
    ['waits in memory', '100ms', { wait: '50ms', latency: '300ms' }],
  ] as const)('takes not the place of a real change that %s', async (_, first, fails) => {
    await using world = await failsBeforeEcho(first, fails)
    expect(await runsOf(world)).toEqual([expect.stringMatching(/^succeeded/), 'skipped echo'])
    expect(reached(world, erp)).toEqual(['A', 'A'])
  })
})

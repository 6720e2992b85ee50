/** Those who may not act, or not on everything: what they cannot do is disabled beforehand, and says why. */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { createControlClient } from '../../src/control/client.ts'
import type { ControlClient } from '../../src/control/client.ts'
import { createKey } from '../../src/control/keys.ts'
import { defineEvent, defineFlow, expectEvent, httpSystem, webhookChannel } from '../../src/index.ts'
import { openDatabase } from '../../src/journal/database.ts'
import { databaseUrl } from '../scenario/rig.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'
import { signInAs } from './sign-in.ts'

const Order = z.object({ number: z.string(), total: z.number() })
const placed = defineEvent({ type: 'order.placed', schema: Order, key: (order) => order.number })
const paid = defineEvent({ type: 'order.paid', schema: Order, key: (order) => order.number })

/** Something to press. */
interface Control {
  readonly name: string
  /** Why it cannot be pressed now; null: it can. */
  readonly why: string | null
}

/** Of the browser's element what is asked here. */
interface Pressed {
  readonly innerText: string
  readonly title: string
  matches(selector: string): boolean
  closest(selector: string): Pressed | null
}

/** Where acts are, and the system that each is about; `null`: about no one system. Every other button only looks. */
const acts: readonly (readonly [place: string, names: readonly string[], system: string | null])[] = [
  ['/', ['Resume erp', 'Resume booking'], 'erp'],
  ['problem', ['Ignore until… I', 'Retry 1 run… R', 'Skip 1 run…'], 'accounting'],
  ['problem', ['Send the first one… R', 'Acknowledge A', 'Change owner, note or runbook…'], 'accounting'],
  ['bulk', ['Cancel the rest', 'Start it'], 'accounting'],
  ['run', ['Retry R', 'Edit and retry E', 'Supply the result', 'Skip post'], 'accounting'],
  ['replayOfBooking', ['Drop the plan…', 'Run 1 event again… R'], 'erp'],
  ['replayOfInvoicing', ['Drop the plan…', 'Run 1 event again… R'], 'accounting'],
  ['/problems?system=erp', ['Retry 1 run…'], 'erp'],
  ['/problems?system=accounting', ['Retry 1 run…'], 'accounting'],
  ['/systems/erp', ['Resume Erp P', 'Test connection T', 'Add a window…'], 'erp'],
  ['/systems/accounting', ['Pause Accounting… P', 'Test connection T', 'Add a window…'], 'accounting'],
  ['/systems/accounting', ['Take it back'], 'accounting'],
  ['/operations', ['Resume booking…'], 'erp'],
  ['/operations', ['Pause invoicing…'], 'accounting'],
  ['row', ['Retry all…', 'Mend and retry…', 'Retry as it is…', 'Discard…'], null],
  ['/operations?tab=expectations&expectation=paid-in-time', ['Await no longer…'], null],
  ['/events?try=order.placed', ['Publish test event… N'], null],
  ['/docs?type=order.placed', ['Publish a test event…'], null],
  ['/settings?tab=alerts', ['Send a test to on-call'], null],
]
const looks =
  /^(Copy|Close$|Hold list P$|Show |Open |Events, |Publishing, |Control API, |order\.(placed|paid)$)/
const asViewer = 'As viewer you can look at everything, and not act.'
const only = 'You may act on accounting only'

describeWithBrowser('those who may not act', () => {
  let target: Server
  let rig: ConsoleRig
  let control: ControlClient
  let places: Readonly<Record<string, string>>

  /** Both systems refuse, and erp is paused: two flows, one on each; and everything else that can be acted on. */
  beforeEach(async () => {
    target = createServer((incoming, response) => {
      incoming.resume().on('end', () => response.writeHead(422).end('{"detail":"no tax code"}'))
    })
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
    const flowOn = (system: string, flow: string) =>
      defineFlow(flow)
        .on(placed)
        .step('post', httpSystem({ name: system, baseUrl }), {
          run: ({ event, call }) => call.post('/x', event.data),
        })
    rig = await openConsole({
      http: { port: 0 },
      events: [placed, paid],
      flows: [flowOn('erp', 'booking'), flowOn('accounting', 'invoicing')],
      expectations: [expectEvent(paid, { after: placed, within: '1h', name: 'paid-in-time' })],
      outbox: true,
      alerts: { channels: [webhookChannel({ name: 'on-call', url: baseUrl, secret: 'canary-secret' })] },
    })
    const database = openDatabase({
      url: databaseUrl,
      schema: rig.schema,
      applicationName: 'test',
      maxConnections: 1,
    })
    const { key } = await createKey(database, { name: 'test', scopes: ['admin'], actor: 'test' })
    await database.close()
    control = createControlClient({ url: rig.hub.url, key })
    places = await somethingHappens()
  })
  afterEach(async () => {
    expect(rig.complaints).toEqual([])
    await rig.close()
    target.closeAllConnections()
    await new Promise((resolve) => target.close(resolve))
  })

  async function somethingHappens(): Promise<Readonly<Record<string, string>>> {
    const later = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
    await control.setMaintenance({ name: 'accounting', from: later(24), until: later(25) })
    await rig.hub.publish(placed, { number: 'SO-1', total: 9 }, { id: '1' })
    await rig.sql(`SELECT publish('order.placed', 'SO-2', '{"number":"SO-2"}')`)
    const runOf = async (flow: string) => (await control.listRuns({ flow })).items[0]
    for (const flow of ['booking', 'invoicing'])
      await expect.poll(async () => (await runOf(flow))?.state, { timeout: 15_000 }).toBe('parked')
    await control.pauseSystem({ name: 'erp' })
    await control.pauseGroup({ name: 'booking' })
    await expect.poll(async () => (await control.readOutbox({})).rejectedCount, { timeout: 15_000 }).toBe(1)
    const [problem] = (await control.listProblems({ system: 'accounting' })).items
    const bulk = await control.planBulkAct({ verb: 'retry', problem: problem?.fingerprint ?? '' })
    const replay = async (flow: string) =>
      (await control.planReplay({ flow, all: true, keys: 'new', reason: 'a look' })).id
    const [row] = (await control.readOutbox({})).rejected.items
    return {
      problem: `/problems/${problem?.fingerprint}`,
      bulk: `/bulk/${bulk.id}`,
      run: `/runs/invoicing/${(await runOf('invoicing'))?.seq}`,
      replayOfBooking: `/replays/${await replay('booking')}`,
      replayOfInvoicing: `/replays/${await replay('invoicing')}`,
      row: `/operations?tab=outbox&row=${row?.id}`,
    }
  }

  async function open(place: string): Promise<void> {
    await rig.open(place)
    await rig.page
      .locator('.who')
      .filter({ hasText: /vera|otto/ })
      .waitFor()
  }

  /** Everything that can be pressed in the page, and why it cannot. */
  function controls(): Promise<Control[]> {
    return rig.page.locator('main button, main a.btn').evaluateAll((buttons) =>
      (buttons as unknown as readonly Pressed[]).map((button) => ({
        name: button.innerText.replaceAll(/\s+/g, ' ').trim(),
        why: button.matches(':disabled') ? (button.closest('[title]')?.title ?? '') : null,
      })),
    )
  }

  /** The buttons of each place, by what they are about; fails for one that is in no row of the table. */
  async function walk(judge: (found: { system: string | null; control: Control }) => string): Promise<void> {
    for (const place of new Set(acts.map(([each]) => each))) {
      await open(places[place] ?? place)
      const rows = acts.filter(([each]) => each === place)
      // What is about a whole flow is known when the flows are.
      await expect.poll(async () => faultsOf(await controls(), rows, judge), { message: place }).toEqual([])
    }
  }

  function faultsOf(
    there: readonly Control[],
    rows: typeof acts,
    judge: Parameters<typeof walk>[0],
  ): string[] {
    const named = rows.flatMap(([, names, system]) => names.map((name) => ({ name, system })))
    const of = (name: string) => there.find((control) => control.name.startsWith(name))
    const judged = named.map(({ name, system }) => {
      const control = of(name)
      return control ? judge({ system, control }) : `there is no ${name}`
    })
    const unknown = there.filter(
      ({ name }) => !looks.test(name) && !named.some((each) => name.startsWith(each.name)),
    )
    return [...judged, ...unknown.map(({ name }) => `what is ${name}?`)].filter((each) => each !== '')
  }

  it('a viewer finds every act disabled, with the reason, also by its address and its key', async () => {
    await signInAs(rig, { name: 'vera', role: 'viewer' })
    await walk(({ control }) => (control.why === asViewer ? '' : `${control.name}: ${control.why}`))
    for (const place of [`${places['problem']}?act=retry`, '/events?try=order.placed', '/replays?new=1']) {
      await open(place)
      expect(await rig.page.getByRole('dialog').count()).toBe(0)
    }
    await open(`${places['run']}?act=edit`)
    expect(await rig.page.getByText('Edit and retry post').count()).toBe(0)
    await open('/systems/accounting')
    await rig.page.keyboard.press('p')
    expect(await rig.page.getByRole('dialog').count()).toBe(0)
    await open('/objects/SO-1')
    await rig.page.getByRole('button', { name: 'Open the run' }).waitFor()
    expect(await control.listAudit({ actor: 'user:vera' })).toMatchObject({ items: [{ verb: 'sign in' }] })
  }, 120_000)

  it('an operator of accounting finds acts on other systems disabled, and those on accounting work', async () => {
    await signInAs(rig, { name: 'otto', role: 'operator', systems: ['accounting'] })
    await walk(({ system, control: { name, why } }) => {
      const expected = {
        accounting: null,
        erp: `${only}; this is about erp.`,
        none: `${only}, and this is not about one system.`,
      }
      return why === expected[(system ?? 'none') as 'none'] ? '' : `${name}: ${why}`
    })
    const { page } = rig
    await open('/replays?new=1&flow=booking')
    const plan = page.getByRole('button', { name: /^Plan replay/ })
    await page.getByText(`${only}; this is about erp.`).waitFor()
    expect(await plan.isDisabled()).toBe(true)
    await page.getByRole('combobox', { name: /^Flow/ }).selectOption('invoicing')
    expect(await plan.isDisabled()).toBe(false)

    await open(places['problem'] ?? '')
    await page.getByRole('button', { name: 'Acknowledge' }).click()
    await page.getByText('Acknowledged', { exact: true }).first().waitFor()
    await page.getByRole('button', { name: /^Retry 1 run…/ }).click()
    await page.getByRole('button', { name: 'Retry 1 run', exact: true }).click()
    await page.waitForURL('**/bulk/*')
    await page.getByRole('heading', { name: 'Retry of 1 run' }).waitFor()
    await open('/operations')
    await page.getByRole('button', { name: 'Pause invoicing…' }).click()
    await page.getByLabel('Reason').fill('month end')
    await page.keyboard.press('Control+Enter')
    await page.getByRole('button', { name: 'Resume invoicing…' }).waitFor()
  }, 120_000)
})

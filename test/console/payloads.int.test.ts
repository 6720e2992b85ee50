/** A hundred scripts in every text that the console shows: none runs, and the browser has nothing to report. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvent, defineFlow, defineSystem, FinalError } from '../../src/index.ts'
import type { ConsoleRig } from './rig.ts'
import { describeWithBrowser, openConsole } from './rig.ts'

const tags = [
  '<script>boom()</script>',
  '<img src=x onerror=boom()>',
  '<svg onload=boom()>',
  '<iframe srcdoc="<script>parent.boom()</script>">',
  '<a href="javascript:boom()">x</a>',
  '<body onload=boom()>',
  '<details open ontoggle=boom()>',
  '<style>@import "//evil.example"</style>',
  '<math><mi xlink:href="javascript:boom()">',
  '<object data="javascript:boom()">',
]
const frames = [
  (tag: string) => tag,
  (tag: string) => `">${tag}`,
  (tag: string) => `'>${tag}`,
  (tag: string) => `</pre></td>${tag}`,
  (tag: string) => `</script>${tag}`,
  (tag: string) => `{{constructor.constructor("boom()")()}}${tag}`,
  (tag: string) => `javascript:boom()//${tag}`,
  (tag: string) => `\${boom()}${tag}`,
  (tag: string) => `<!--${tag}-->`,
  (tag: string) => `&lt;${encodeURIComponent(tag)}${tag}`,
]
/** A hundred of them. */
const payloads = frames.flatMap((frame) => tags.map(frame))

const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string(), note: z.string(), fails: z.boolean() }),
  key: ({ number }) => number,
})

let rig: ConsoleRig
beforeEach(async () => {
  const erp = defineSystem<(note: string) => void>({
    name: 'erp',
    address: payloads[1]!,
    connect: () => ({
      open: (attempt) => (note) => {
        attempt.record({ request: `POST /sales\n\n${note}`, response: `500\n\n${note}`, ms: 1 })
      },
      close: async () => undefined,
    }),
  })
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', erp, {
      run: ({ event, call }) => {
        call(event.data.note)
        if (event.data.fails)
          throw new FinalError(event.data.note, { vendorCode: event.data.note.slice(0, 70) })
        return { note: event.data.note }
      },
    })
    .step('check', erp, { after: ['sale'], run: ({ results }) => results })
  rig = await openConsole({ flows: [flow], allowUnknownTypes: true })
})
afterEach(() => rig.close())

async function publish(event: object): Promise<void> {
  const answer = await fetch(`${rig.hub.url}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', ...event }),
  })
  expect([202, 422]).toContain(answer.status)
}

async function act(path: string, body: object): Promise<void> {
  await fetch(`${rig.hub.url}/api/v1${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

describeWithBrowser('a hundred scripts in every shown text', () => {
  it('are text: none runs, and the content security policy has nothing to report', async () => {
    expect(payloads).toHaveLength(100)
    for (const [index, text] of payloads.entries()) {
      const known = { source: text, id: `${index} ${text}`, subject: text, type: 'order.placed' }
      await publish({ ...known, data: { number: text, note: text, fails: index % 2 === 0 } })
      await publish({ ...known, id: `u${index}`, type: text, mark: text, data: { [text]: text } })
      await publish({ ...known, id: `r${index}`, data: { number: text, note: [text] } })
    }
    const parked = async () => (await rig.sql<{ seq: number }>('SELECT seq FROM runs WHERE state = 4')).length
    await expect.poll(parked, { timeout: 30_000 }).toBe(50)
    const problems = await rig.sql<{ fp: string }>('SELECT fp FROM problems')
    for (const [index, { fp }] of problems.entries())
      await act(`/problems/${fp}`, { note: payloads[index % 100], owner: payloads[(index + 1) % 100] })
    for (const name of ['erp']) await act(`/systems/${name}/pause`, { reason: payloads[3] })
    await act('/groups/book/pause', { reason: payloads[4] })
    await act('/replays', { flow: 'book', all: true, keys: 'new', reason: payloads[5] })
    await act('/links', {
      kind: 'order',
      id: payloads[6],
      system: 'erp',
      external: payloads[7],
      reason: payloads[8],
    })

    const ran: string[] = []
    await rig.context.exposeFunction('boom', () => ran.push(rig.page.url()))
    const reports: string[] = []
    await rig.context.exposeFunction('reported', (what: string) => reports.push(what))
    await rig.context.addInitScript({
      content: `document.addEventListener('securitypolicyviolation', (event) =>
        reported([event.violatedDirective, event.blockedURI, event.sample].join(' ')))`,
    })
    rig.page.on('dialog', (dialog) => {
      ran.push(dialog.message())
      void dialog.dismiss()
    })
    for (const path of await places(problems)) {
      await rig.open(path)
      await rig.page.waitForTimeout(150)
      const text = await rig.page.locator('body').innerText()
      expect(text, path).not.toContain('This page is broken')
    }
    expect(ran).toEqual([])
    expect(reports).toEqual([])
    expect(rig.complaints).toEqual([])
  }, 240_000)
})

/** Every page there is, with things on it. */
async function places(problems: readonly { fp: string }[]): Promise<string[]> {
  const [run] = await rig.sql<{ seq: string }>('SELECT seq FROM runs WHERE state = 4 ORDER BY seq LIMIT 1')
  const [refused] = await rig.sql<{ id: string }>('SELECT max(id) AS id FROM refused')
  const objects = payloads
    .filter((_, index) => index % 9 === 0)
    .map((text) => `/objects/${encodeURIComponent(text)}`)
  const strange = encodeURIComponent(payloads[0]!)
  return [
    '/',
    '/problems',
    ...problems.slice(0, 8).map(({ fp }) => `/problems/${fp}`),
    '/objects',
    ...objects,
    `/runs/book/${run?.seq}`,
    '/map',
    '/events',
    `/events?seq=${run?.seq}`,
    `/events?seq=${Number(run?.seq) + 1}`,
    '/events?tab=refused',
    `/events?tab=refused&refused=${refused?.id}`,
    `/events?key=${strange}&type=${strange}&source=${strange}&try=${strange}`,
    '/systems',
    '/systems/erp',
    '/replays',
    '/replays/1',
    '/operations',
    '/audit',
    '/settings',
    '/docs',
    `/docs?type=${strange}`,
    '/more',
  ]
}

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AlertSender } from '../../src/alerts/sender.ts'
import type { AlertSenderDeps } from '../../src/alerts/sender.ts'
import { sqlAlerts } from '../../src/alerts/store.ts'
import { findProblem } from '../../src/control/queries/problems.ts'
import type { AlertChannel, AlertsConfig } from '../../src/define/alerts.ts'
import { alertsSettings, emailChannel, slackChannel, webhookChannel } from '../../src/define/alerts.ts'
import { standardWebhooks } from '../../src/index.ts'
import { MailServer, Receiver } from './alerts-rig.ts'
import type { ControlRig } from './control-rig.ts'
import { openControlRig } from './control-rig.ts'
import { databaseUrl } from './rig.ts'

let rig: ControlRig
let receiver: Receiver
let url: string
const senders: AlertSender[] = []
const children: ChildProcess[] = []
const failures: string[] = []

beforeEach(async () => {
  rig = await openControlRig()
  receiver = new Receiver()
  url = await receiver.open()
  failures.length = 0
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await Promise.all(senders.splice(0).map((sender) => sender.stop()))
  await receiver.close()
  await rig.close()
})

const webhook = () => webhookChannel({ name: 'on-call', url, secret: 'whsec_c2VjcmV0LXNlY3JldA==' })

async function startSender(
  channels: readonly AlertChannel[] = [webhook()],
  options: Partial<AlertsConfig> & Partial<AlertSenderDeps> = {},
): Promise<AlertSender> {
  const { settle = 0, quiet = 0, ...deps } = options
  const store = sqlAlerts(rig.database)
  await store.register('shop', channels)
  const sender = new AlertSender({
    store,
    settings: alertsSettings({ channels, settle, quiet }),
    findProblem: (fingerprint) => findProblem(rig.database, fingerprint),
    hub: 'shop',
    holder: `sender-${senders.length}`,
    consoleUrl: 'https://busbar.example',
    everyMs: 20,
    onFailed: (channel, error) => failures.push(`${channel}: ${error}`),
    onError: (error) => rig.errors.push(error),
    ...deps,
  })
  senders.push(sender)
  sender.start()
  return sender
}

/** Problems as the journal's functions write them. */
async function problem(fp: string, state = 'open', title = 'no tax code'): Promise<void> {
  await rig.sql(
    `INSERT INTO problems AS p (fp, system, code, title, state) VALUES ($1, 'erp', 'call.invalid', $3, $2)
     ON CONFLICT (fp) DO UPDATE SET state = excluded.state, last_seen = clock_timestamp()`,
    [fp, state, title],
  )
}

/** A run of a problem, 2: retrying, 4: parked. */
async function run(fp: string, state: 2 | 4): Promise<void> {
  await rig.sql(
    `INSERT INTO runs (flow, seq, state, system, fp, grp, key, lord, ord) VALUES (1, 1, $2, 1, $1, 'g', 'k', 1, 0)
     ON CONFLICT (flow, seq, gen) DO UPDATE SET state = excluded.state`,
    [fp, state],
  )
}

interface Told {
  readonly type: string
  readonly data: {
    readonly id: string
    readonly text: string
    readonly changes: readonly { kind: string; problem: string; text: string; url: string }[]
  }
}
const told = () => receiver.got.map(({ raw }) => JSON.parse(raw.toString()) as Told)
const kinds = () => told().flatMap(({ data }) => data.changes.map(({ kind, problem: fp }) => `${fp} ${kind}`))
const until = async (condition: () => unknown) => expect.poll(condition, { timeout: 8_000, interval: 20 })

/** Some looks long: what should not have been told would have been. */
async function someLooks(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 250))
}

it('tells each change of a problem once: new, needs a person, over, back', async () => {
  await startSender()
  await run('p1', 2)
  await problem('p1')
  await (await until(kinds)).toEqual(['p1 new'])
  await problem('p1')
  await someLooks()
  await run('p1', 4)
  await (await until(kinds)).toEqual(['p1 new', 'p1 person'])
  expect(told()[1]?.data.changes[0]).toMatchObject({
    sentence: (await rig.ask('getProblem', { fingerprint: 'p1' })).why, // as the console says it
    url: 'https://busbar.example/problems/p1',
  })
  await problem('p1', 'resolved')
  await (await until(kinds)).toEqual(['p1 new', 'p1 person', 'p1 resolved'])
  await problem('p1')
  await (await until(kinds)).toEqual(['p1 new', 'p1 person', 'p1 resolved', 'p1 back'])
  await someLooks()
  expect(kinds()).toHaveLength(4)
})

it('tells of a system that is cut off, and connected again, not of each call', async () => {
  await rig.sql(`INSERT INTO systems (name) VALUES ('erp')`)
  await startSender()
  const open = `SELECT open_breaker((SELECT id FROM systems), 'connection refused', 1000)`
  await rig.sql(open)
  await rig.sql(open)
  await (await until(kinds)).toEqual(['system:erp cut-off'])
  await rig.sql(`SELECT close_breaker((SELECT id FROM systems))`)
  await (await until(kinds)).toEqual(['system:erp cut-off', 'system:erp connected'])
  expect(told()[0]?.data.text).toBe('[shop] erp is cut off')
})

it('signs as Standard Webhooks says: busbar itself would take it', async () => {
  await startSender()
  await problem('p1')
  await (await until(() => receiver.got.length)).toBe(1)
  const { headers, raw } = receiver.got[0]!
  const verify = (secret: string) =>
    standardWebhooks({ secrets: [secret] }).verify(
      { headers: headers as Record<string, string>, raw },
      Date.now(),
    )
  expect(verify('whsec_c2VjcmV0LXNlY3JldA==')).toEqual({ ok: true })
  expect(verify('another')).toMatchObject({ ok: false })
  expect(headers['webhook-id']).toMatch(/^busbar-alert-shop-\d+$/)
})

it('says nothing of what is over before it has lasted', async () => {
  await startSender([webhook()], { settle: '400ms' })
  await problem('p1')
  await new Promise((resolve) => setTimeout(resolve, 100))
  await problem('p1', 'resolved')
  await problem('p2')
  await (await until(kinds)).toEqual(['p2 new'])
})

it('gathers what changes at the same time in one message', async () => {
  await startSender([webhook()], { settle: '300ms' })
  for (const fp of ['p1', 'p2', 'p3']) await problem(fp)
  await (await until(() => told().length)).toBe(1)
  expect(told()[0]?.data.changes).toHaveLength(3)
  expect(told()[0]?.data.text).toBe('[shop] 3 problems have changed')
})

it('is not flooded by a system that comes and goes: ever longer between two messages', async () => {
  await startSender([webhook()], { settle: 0, quiet: '400ms' })
  const endAt = performance.now() + 4_000
  for (let up = false; performance.now() < endAt; up = !up) {
    await problem('system:erp', up ? 'resolved' : 'open')
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
  // Some 66 changes; messages at 0, 400, then after 800 and 1,600 ms at the soonest.
  expect(told().length).toBeGreaterThanOrEqual(2)
  expect(told().length).toBeLessThanOrEqual(5)
  await problem('system:erp', 'resolved')
  const [row] = await rig.sql<{ streak: number }>(
    `SELECT streak FROM alert_standings WHERE fp = 'system:erp'`,
  )
  expect(row?.streak).toBeGreaterThanOrEqual(2)
})

it('that a person is needed does not wait for the quiet after the first message', async () => {
  await startSender([webhook()], { quiet: '1h' })
  await problem('p1')
  await (await until(kinds)).toEqual(['p1 new'])
  await run('p1', 4)
  await (await until(kinds)).toEqual(['p1 new', 'p1 person'])
})

it('is quiet about what somebody has acknowledged, and tells when it is over', async () => {
  await problem('p1')
  await startSender()
  await (await until(kinds)).toEqual(['p1 new'])
  await problem('p1', 'acknowledged')
  await run('p1', 4)
  await someLooks()
  await problem('p1', 'resolved')
  await (await until(kinds)).toEqual(['p1 new', 'p1 resolved'])
})

it('tells a channel only what it wants to be told', async () => {
  await startSender([webhookChannel({ name: 'on-call', url, secret: 's', tells: ['person'] })])
  await problem('p1')
  await problem('p2')
  await someLooks()
  await run('p1', 4)
  await (await until(kinds)).toEqual(['p1 person'])
})

it('of two processes one tells, and the other goes on when the first ends', async () => {
  const first = await startSender()
  await startSender()
  await problem('p1')
  await (await until(kinds)).toEqual(['p1 new'])
  await someLooks()
  await first.stop()
  await problem('p2')
  await (await until(kinds)).toEqual(['p1 new', 'p2 new'])
  await someLooks()
  expect(kinds()).toHaveLength(2)
})

it('sends again, under the same id, what a killed process may have sent', async () => {
  await sqlAlerts(rig.database).register('busbar', [])
  let killed = false
  const started = await startChild()
  receiver.answer = () => {
    if (killed) return { status: 204 }
    killed = true
    started.kill('SIGKILL')
    return 'never'
  }
  await problem('p1')
  await (await until(() => receiver.got.length)).toBe(1)
  await rig.sql(`UPDATE alert_sender SET until = clock_timestamp() + interval '200 ms'`) // in the place of 30 s
  await startChild()
  await (await until(() => receiver.got.length)).toBe(2)
  expect(receiver.got[1]?.headers['webhook-id']).toBe(receiver.got[0]?.headers['webhook-id'])
  await (
    await until(async () => (await rig.ask('listAlertDeliveries')).items.map(({ state }) => state))
  ).toEqual(['sent'])
})

async function startChild(): Promise<ChildProcess> {
  const settings = JSON.stringify({ url: databaseUrl, schema: rig.schema, receiver: url })
  const child = fork(new URL('./alert-node.ts', import.meta.url).pathname, [settings], {
    execPath: process.execPath,
  })
  children.push(child)
  await new Promise((resolve) => child.once('message', resolve))
  return child
}

it('tries again later, as the receiver asks, and gives up what is refused for good', async () => {
  receiver.answer = () => ({ status: 503, headers: { 'retry-after': '60' } })
  await startSender()
  await problem('p1')
  await (await until(() => failures)).toEqual(['on-call: it answered 503'])
  const { items } = await rig.ask('listAlertDeliveries', { channel: 'on-call' })
  expect(items[0]).toMatchObject({
    state: 'pending',
    tries: 1,
    error: 'it answered 503',
    subject: '[shop] New problem at erp: no tax code',
  })
  expect(Date.parse(items[0]?.nextAt ?? '') - Date.now()).toBeGreaterThan(50_000)

  receiver.answer = () => ({ status: 204 })
  await rig.sql(`UPDATE alert_deliveries SET next_at = clock_timestamp()`)
  await (await until(async () => (await rig.ask('listAlertDeliveries')).items[0]?.state)).toBe('sent')

  receiver.answer = () => ({ status: 404 })
  await problem('p2')
  await (await until(async () => (await rig.ask('listAlertDeliveries')).items[0]?.state)).toBe('failed')
})

it('one channel that is away delays no other', async () => {
  const other = new Receiver()
  try {
    receiver.answer = () => ({ status: 500 })
    await startSender([webhook(), slackChannel({ name: 'operations', url: await other.open() })])
    await problem('p1', 'open', 'no <b>tax</b> code')
    await (await until(() => other.got.length)).toBe(1)
    const { text } = JSON.parse(other.got[0]!.raw.toString()) as { text: string }
    expect(text).toContain(
      '*<https://busbar.example/problems/p1|New problem at erp: no &lt;b&gt;tax&lt;/b&gt; code>*',
    )
  } finally {
    await other.close()
  }
})

it('writes e-mail over SMTP, with what a mail needs and without a secret in a failure', async () => {
  const server = new MailServer()
  try {
    const port = await server.open()
    const channel = (name: string, password: string) =>
      emailChannel({
        name,
        smtp: { host: '127.0.0.1', port, user: 'postman', password },
        from: 'busbar <busbar@example.com>',
        to: ['one@example.com', 'two@example.com'],
      })
    await startSender([channel('office', 'pass-word-1'), channel('wrong', 'pass-word-2')])
    await problem('p1', 'open', 'no tax code\r\nbcc: other@example.com')
    await (await until(() => server.mails.length)).toBe(1)
    const mail = server.mails[0]!
    expect(mail.to).toEqual(['one@example.com', 'two@example.com'])
    expect(mail.text).toMatch(
      /^Subject: \[shop\] New problem at erp: no tax code bcc: other@example\.com\r$/m,
    )
    expect(mail.text).toMatch(/^Message-ID: <busbar-alert-shop-\d+@busbar>\r$/m)
    expect(mail.text).toMatch(/^Auto-Submitted: auto-generated\r$/m)
    expect(mail.text).toContain('https://busbar.example/problems/p1')
    await (await until(() => failures.length)).toBe(1)
    expect(failures[0]).toMatch(/^wrong: EAUTH/)
    expect(failures[0]).not.toMatch(/postman|pass-word/)
  } finally {
    await server.close()
  }
})

it('sends a test message on demand, and shows channels without their secrets', async () => {
  await startSender()
  const { id } = await rig.ask('testAlertChannel', { name: 'on-call' })
  await (
    await until(told)
  ).toMatchObject([
    { type: 'busbar.alert.test', data: { text: '[shop] A test: alerts of busbar arrive here' } },
  ])
  await (
    await until(async () => (await rig.ask('listAlertChannels')).items)
  ).toMatchObject([{ name: 'on-call', kind: 'webhook', last: { id, state: 'sent', test: true } }])
  const shown = JSON.stringify([
    await rig.ask('listAlertChannels'),
    await rig.sql('SELECT * FROM alert_channels'),
  ])
  expect(shown).not.toMatch(/secret|c2Vj/)
  expect(await rig.refused('testAlertChannel', { name: 'nobody' })).toMatchObject({
    code: 'request.not-found',
  })
  expect((await rig.ask('listAudit')).items[0]).toMatchObject({
    verb: 'test',
    object: 'alert channel on-call',
  })
})

it('forgets channels that are configured no more', async () => {
  const first = await startSender()
  await first.stop()
  await startSender([slackChannel({ name: 'operations', url })])
  expect((await rig.ask('listAlertChannels')).items.map(({ name }) => name)).toEqual(['operations'])
})

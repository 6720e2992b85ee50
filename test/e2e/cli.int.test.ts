import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../src/cli/cli.ts'
import { createHub, defineConfig, defineEvent, defineFlow, httpSystem, postgres } from '../../src/index.ts'
import type { Hub } from '../../src/index.ts'
import { databaseUrl } from '../scenario/rig.ts'

const schema = `cli_${randomBytes(6).toString('hex')}`
const placed = defineEvent({
  type: 'order.placed',
  schema: z.object({ number: z.string() }),
  key: (order) => order.number,
})
let target: Server
let hub: Hub
let folder: string
let configFile: string
/** What the ERP answers, by order number. */
const answers: Record<string, number> = {}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'busbar-cli-'))
  target = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      const { number } = JSON.parse(body) as { number: string }
      response.writeHead(answers[number] ?? 200, { 'content-type': 'application/json' })
      response.end('{"message":"as told"}')
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`
  const flow = defineFlow('book')
    .on(placed)
    .step('sale', httpSystem({ name: 'erp', baseUrl }), {
      run: ({ event, call }) => call.post('/sales', event.data),
    })
  const journal = postgres({ url: databaseUrl, schema })
  hub = createHub(defineConfig({ journal, flows: [flow], http: { port: 0, unauthenticated: true } }), {
    migrate: true,
    log: 'silent',
  })
  await hub.start()
  configFile = join(folder, 'busbar.config.ts')
  const index = new URL('../../src/index.ts', import.meta.url).href
  await writeFile(
    configFile,
    `import { defineConfig, postgres } from ${JSON.stringify(index)}
     export default defineConfig({ journal: postgres(${JSON.stringify({ url: databaseUrl, schema })}), flows: [], http: { port: 0 } })`,
  )
})

afterAll(async () => {
  await hub.stop()
  target.closeAllConnections()
  await new Promise((resolve) => target.close(resolve))
  await rm(folder, { recursive: true, force: true })
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
})

/** Runs a command line in this process. */
async function busbar(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = []
  const err: string[] = []
  const terminal = {
    out: (line: string) => void out.push(line),
    err: (line: string) => void err.push(line),
    colour: false,
    width: Number.POSITIVE_INFINITY,
  }
  const code = await runCli(['--url', hub.url, '--config', configFile, ...args], terminal)
  process.exitCode = undefined
  return { code, out: out.join('\n'), err: err.join('\n') }
}

async function untilStates(key: string, expected: string): Promise<void> {
  const states = async () => {
    const { out } = await busbar('runs', '--key-of', key, '--json')
    const { items } = JSON.parse(out) as { items: { state: string }[] }
    return items
      .map(({ state }) => state)
      .sort()
      .join(', ')
  }
  await expect.poll(states, { timeout: 10_000 }).toBe(expected)
}

describe('publish', () => {
  it('stores an event, tells a duplicate, and refuses with every fault', async () => {
    expect(await busbar('publish', 'order.placed', '{"number":"A"}', '--id', 'a')).toMatchObject({
      code: 0,
      out: 'a is stored at place 1 in the log',
    })
    expect((await busbar('publish', 'order.placed', '{"number":"A"}', '--id', 'a')).out).toBe(
      'a was in the log already, at place 1',
    )
    const refused = await busbar('publish', 'order.placed', '{"number":7}')
    expect(refused.code).toBe(4)
    expect(refused.err).toContain('/data/number: Invalid input: expected string')
    expect((await busbar('publish', 'order.placed', '{"number":"B"}', '--id', 'a')).code).toBe(4)
    expect((await busbar('publish', 'order.gone', '{}')).err).toContain('[event.unknown-type]')
  })

  it('says what is wrong with its arguments before anything is sent', async () => {
    expect(await busbar('publish', 'order.placed', '{"number"')).toMatchObject({ code: 2 })
    expect(await busbar('publish', 'order.placed')).toMatchObject({ code: 2 })
    expect(await busbar('publish', 'order.placed', '@no-such-file')).toMatchObject({ code: 2 })
  })

  it('takes a file of events, and a repeat of it changes nothing', async () => {
    const file = join(folder, 'orders.ndjson')
    const line = (id: number) =>
      JSON.stringify({
        specversion: '1.0',
        id: `f-${id}`,
        source: 'urn:file',
        type: 'order.placed',
        data: { number: `F${id}` },
      })
    await writeFile(file, `${Array.from({ length: 250 }, (_, id) => line(id)).join('\n')}\n`)
    expect((await busbar('publish', '--file', file)).out).toBe('250 stored, 0 were in the log already')
    expect((await busbar('publish', '--file', file)).out).toBe('0 stored, 250 were in the log already')
    expect((await busbar('events', '--source', 'urn:file', '--limit', '240')).out.split('\n')).toHaveLength(
      242,
    )
  })

  it('names the lines of a file that are refused, as an editor counts them', async () => {
    const file = join(folder, 'faulty.ndjson')
    const line = (id: string, data: object) =>
      JSON.stringify({ specversion: '1.0', id, source: 'urn:faulty', type: 'order.placed', data })
    await writeFile(file, ['', line('1', { number: 'X' }), '', line('2', { number: 7 })].join('\n'))
    const invalid = await busbar('publish', '--file', file)
    expect(invalid.code).toBe(4)
    expect(invalid.err).toContain('line 4, /data/number: Invalid input: expected string, received number')
    await writeFile(file, `${line('1', { number: 'X' })}\n\n${line('1', { number: 'Y' })}`)
    const conflict = await busbar('publish', '--file', file)
    expect(conflict.code).toBe(4)
    expect(conflict.err).toMatch(/line 3: an event with this source and id, but other data/)
    await writeFile(file, `{}\n{"a":`)
    expect(await busbar('publish', '--file', file)).toMatchObject({ code: 2 })
  })

  it('refuses options that do not go together', async () => {
    for (const args of [
      ['publish', '--file', 'x', '--id', 'a'],
      ['publish', 'order.placed', '{}', '--file', 'x'],
      ['retry', 'book/1', '--dry-run'],
      ['retry', 'book/1', '--flow', 'book'],
      ['retry', '--flow', 'book', '--may-double'],
      ['runs', 'book/1', '--state', 'open'],
      ['events', '1', '--type', 'order.placed'],
    ])
      expect(await busbar(...args), args.join(' ')).toMatchObject({ code: 2 })
  })
})

describe('looking and acting', () => {
  it('shows a parked run with its reason and last answer, and retries it', async () => {
    answers['P'] = 422
    await busbar('publish', 'order.placed', '{"number":"P"}', '--id', 'p-1')
    await busbar('publish', 'order.placed', '{"number":"P"}', '--id', 'p-2')
    await untilStates('P', 'parked, waiting')
    const { items } = JSON.parse((await busbar('runs', '--state', 'parked', '--json')).out) as {
      items: { seq: number }[]
    }
    const run = `book/${items[0]?.seq}`
    const list = await busbar('runs', '--state', 'open')
    expect(list.out).toContain(`${run}  parked`)
    expect(list.out).not.toContain('\u001b')
    const shown = await busbar('runs', run)
    expect(shown.out).toContain('needs a person: POST /sales answered 422: as told')
    expect(shown.out).toContain('last response')
    const status = await busbar('status')
    expect(status).toMatchObject({ code: 1 })
    expect(status.out).toMatch(/1 run.*parked|needs a person/)
    answers['P'] = 200
    expect((await busbar('retry', run)).out).toBe(`${run} was parked, and is tried again now`)
    await untilStates('P', 'succeeded, succeeded')
    expect(await busbar('status')).toMatchObject({ code: 0 })
    expect(await busbar('retry', run)).toMatchObject({ code: 4 })
  })

  it('skips with a reason, and insists on one', async () => {
    answers['S'] = 422
    await busbar('publish', 'order.placed', '{"number":"S"}', '--id', 's-1')
    await untilStates('S', 'parked')
    const { items } = JSON.parse((await busbar('runs', '--key-of', 'S', '--json')).out) as {
      items: { seq: number }[]
    }
    const run = `book/${items[0]?.seq}`
    expect(await busbar('skip', run)).toMatchObject({ code: 2 })
    expect(await busbar('skip', run, '--reason', 'entered by hand')).toMatchObject({
      code: 0,
      out: `${run} was parked, and is skipped`,
    })
    expect((await busbar('runs', run)).out).toContain('entered by hand')
  })

  it('pauses and resumes systems and lane groups', async () => {
    expect((await busbar('pause', 'erp', '--reason', 'update')).out).toBe('erp is paused')
    expect((await busbar('systems')).out).toMatch(/erp +paused/)
    expect((await busbar('resume', 'erp')).out).toBe('erp is no longer paused')
    expect((await busbar('pause', 'book', '--group')).out).toBe('book is paused')
    expect((await busbar('resume', 'book', '--group')).code).toBe(0)
    expect(await busbar('pause', 'nobody')).toMatchObject({ code: 3 })
  })

  it('finds events by place, by identity and by key', async () => {
    expect((await busbar('events', '1')).out).toContain('a from urn:busbar:cli')
    expect((await busbar('events', '--source', 'urn:file', '--id', 'f-7')).out).toContain('{"number":"F7"}')
    expect((await busbar('events', '--key-of', 'S')).out).toContain('s-1')
    expect(await busbar('events', '999999')).toMatchObject({ code: 3 })
    expect(await busbar('events', '--id', 'f-7')).toMatchObject({ code: 2 })
  })

  it('shows what could forge a line escaped', async () => {
    const id = 'x\u009b31m'
    expect((await busbar('publish', 'order.placed', '{"number":"K"}', '--id', id)).code).toBe(4)
    await busbar('publish', 'order.placed', '{"number":"K"}', '--id', 'x\u202ey')
    expect((await busbar('events', '--limit', '1')).out).not.toContain('\u202e')
  })
})

describe('exit codes', () => {
  it('5 when nobody is there, 2 for what it does not know, 3 for what is not there', async () => {
    expect(await busbar('status', '--url', 'http://127.0.0.1:1')).toMatchObject({ code: 5 })
    expect(await busbar('publish', 'a', '{}', '--url', 'http://127.0.0.1:1')).toMatchObject({ code: 5 })
    expect(await busbar('stauts')).toMatchObject({ code: 2 })
    expect(await busbar('runs', 'book')).toMatchObject({ code: 2 })
    expect(await busbar('runs', 'book/99999')).toMatchObject({ code: 3 })
    expect(await busbar('--help')).toMatchObject({ code: 0 })
  })

  it('errors are JSON for scripts, of a wrong command line too', async () => {
    const { err } = await busbar('runs', 'book/99999', '--json')
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'request.not-found' } })
    const misuse = await busbar('runs', '--frob', '--json')
    expect(misuse.code).toBe(2)
    expect(JSON.parse(misuse.err)).toMatchObject({
      error: {
        code: 'config.invalid',
        message: expect.stringContaining("unknown option '--frob'") as string,
      },
    })
  })

  it('wrong values are told in the words of the command line', async () => {
    for (const [args, message] of [
      [['runs', '--limit', 'many'], '--limit is a whole number from 1 to 100,000, not "many"'],
      [['runs', '--state', 'fine'], '--state is one of open, waiting'],
      [['start', '--role', 'boss'], 'relay, console, or all; "boss" is none of them'],
      [['status', '--url', 'here'], '"here" is not where busbar can be'],
      [['publish', 'a', '{}', '--url', 'here'], '"here" is not where busbar can be'],
      [['init', join(configFile, 'below')], 'cannot be made a folder (ENOTDIR)'],
    ] as const)
      expect((await busbar(...args)).err, args.join(' ')).toContain(message)
  })
})

describe('the journal itself', () => {
  it('makes, lists and revokes keys', async () => {
    const made = await busbar('keys', 'create', 'shop', '--scopes', 'publish,read')
    expect(made.out).toMatch(/^bb_[\w-]{43}\n/)
    expect(await busbar('keys', 'create', 'shop')).toMatchObject({ code: 4 })
    expect(await busbar('keys', 'create', 'other', '--scopes', 'everything')).toMatchObject({ code: 2 })
    expect((await busbar('keys', 'list')).out).toMatch(/shop +publish, read/)
    expect((await busbar('keys', 'revoke', 'shop')).code).toBe(0)
    expect(await busbar('keys', 'revoke', 'nobody')).toMatchObject({ code: 3 })
  })

  it('migrates, and says that there is nothing to do', async () => {
    expect((await busbar('migrate')).out).toBe('the journal is up to date')
  })

  it('doctor says what is wrong', async () => {
    const fine = await busbar('doctor')
    expect(fine).toMatchObject({ code: 0 })
    expect(fine.out).toMatch(/journal +ok +PostgreSQL/)
    const missing = await busbar('doctor', '--config', join(folder, 'none.ts'))
    expect(missing).toMatchObject({ code: 1 })
    expect(missing.out).toContain('there is no file')
  })
})

describe('supply and edit', () => {
  it('send what they are given digit by digit, and say why a result is too large', async () => {
    answers['D1'] = 422
    await busbar('publish', 'order.placed', '{"number":"D1"}')
    await untilStates('D1', 'parked')
    const { items } = JSON.parse((await busbar('runs', '--key-of', 'D1', '--json')).out) as {
      items: { seq: number }[]
    }
    const run = `book/${items[0]?.seq}`
    const edited = '{"number":"D1","id":12345678901234567890}'
    const edit = await busbar('edit', run, 'sale', '--data', edited, '--yes')
    expect(edit).toMatchObject({ code: 0 })
    expect(edit.err).toMatch(/\/id\n +\+ 12345678901234567890/)
    await untilStates('D1', 'parked')
    expect((await busbar('runs', run, '--json')).out).toContain('12345678901234567890')
    const large = JSON.stringify('x'.repeat(66_000))
    const refused = await busbar('supply', run, 'sale', large, '--reason', 'by hand')
    expect(refused.err).toContain('the result has 66002 bytes; at most 65536 are kept')
    const id = '98765432109876543210'
    expect(await busbar('supply', run, 'sale', `{"id":${id}}`, '--reason', 'by hand')).toMatchObject({
      code: 0,
    })
    await untilStates('D1', 'succeeded')
    expect((await busbar('runs', run, '--json')).out).toContain(id)
  })
})

/** `busbar start` in a process of its own, once it serves. */
async function started(...args: string[]): Promise<{
  readonly url: string
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
}> {
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname
  const child = spawn(
    process.execPath,
    [main, 'start', '--config', configFile, '--json', '--log-level', 'silent', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const said = await new Promise<string>((resolve) =>
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  )
  return { url: (JSON.parse(said) as { url: string }).url, child, ended }
}

it('start runs until SIGTERM, answers two seconds more, and ends with 0', async () => {
  const { url, child, ended } = await started()
  expect((await fetch(`${url}/health/ready`)).status).toBe(200)
  child.kill('SIGTERM')
  await expect.poll(async () => (await fetch(`${url}/health/ready`)).status).toBe(503)
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  expect(await ended).toBe(0)
}, 30_000)

it('start ends at once at a second signal of either kind, and not with 0', async () => {
  const { url, child, ended } = await started('--role', 'worker,console')
  child.kill('SIGTERM')
  child.kill('SIGTERM') // passed on twice, as npm does
  await expect.poll(async () => (await fetch(`${url}/health/ready`)).status).toBe(503)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect((await fetch(`${url}/api/v1/status`)).status).toBe(401)
  child.kill('SIGINT')
  expect(await ended).toBe(130)
}, 30_000)

it('start says which roles there are, and why one cannot be', async () => {
  expect(await busbar('start', '--role', 'ingress,wroker')).toMatchObject({
    code: 2,
    err: expect.stringContaining(
      '--role must be one or several of ingress, worker, relay, console, or all; "wroker" is none of them',
    ) as string,
  })
  const relay = await busbar('start', '--role', 'worker', '--role', 'relay')
  expect(relay).toMatchObject({ code: 2, err: expect.stringContaining('nothing to relay') as string })
})

describe('links', () => {
  const customer = ['customer', 'C-7', 'erp']

  it('sets an id, shows it both ways, overwrites it only when told, and removes it', async () => {
    expect(await busbar('links', 'set', ...customer, '1077', '--reason', 'seen there')).toMatchObject({
      code: 0,
      out: 'customer C-7 has the id 1077 in erp',
    })
    expect((await busbar('links', '--kind', 'customer', '--id', 'C-7')).out).toMatch(
      /customer +C-7 +erp +1077/,
    )
    expect((await busbar('links', '--system', 'erp', '--external', '1077')).out).toMatch(/C-7/)
    const refused = await busbar('links', 'set', ...customer, '1078', '--reason', 'moved')
    expect(refused).toMatchObject({ code: 4 })
    expect(refused.err).toContain('customer C-7 has the id 1077 in erp')
    expect(await busbar('links', 'set', ...customer, '1078', '--replace', '--reason', 'moved')).toMatchObject(
      {
        code: 0,
      },
    )
    const shown = await busbar('links', 'show', '--kind', 'customer', '--id', 'C-7', '--json')
    expect(JSON.parse(shown.out)).toMatchObject({ items: [{ external: '1078', setBy: 'local' }] })
    expect((await busbar('links', 'remove', ...customer, '--reason', 'gone')).out).toContain(
      'no longer has the id 1078',
    )
    expect((await busbar('links', 'remove', ...customer, '--reason', 'gone')).code).toBe(3)
    expect((await busbar('links', '--kind', 'customer', '--id', 'C-7')).out).toBe('no links')
  })

  it('says which options it needs', async () => {
    expect(await busbar('links', '--kind', 'customer')).toMatchObject({ code: 2 })
    expect(await busbar('links', 'set', ...customer, '1077')).toMatchObject({ code: 2 })
  })
})

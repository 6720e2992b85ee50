import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { Rig } from '../scenario/rig.ts'
import { databaseUrl, openRig, orders } from '../scenario/rig.ts'
import type { HostNodeSettings } from './host-node.ts'
import { Host, Lan, lanFault } from './lan.ts'
import type { Cable } from './lan.ts'
import { ChaosProxy } from './proxy.ts'

const fault = await lanFault()
if (fault !== undefined) console.warn(`hosts.int.test.ts is skipped: ${fault}`)

/** The default: what is promised of a takeover holds for it. */
const leaseMs = 6_000
const takeoverMs = 10_000
/** So slow that there is work left when the owner comes back. */
const slowMs = 60

let cleanup = new AsyncDisposableStack()
afterEach(async () => {
  await cleanup.disposeAsync()
  cleanup = new AsyncDisposableStack()
})

/** A call that reached the target. */
interface Call {
  readonly from: string
  readonly path: string
  readonly order: string
  readonly key: string
  readonly at: number
}

/** An ERP that knows the keys of what it has done. */
async function openTarget(host: string) {
  const calls: Call[] = []
  const pace = { answerMs: slowMs }
  const done = new Map<string, string>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { number, revision } = JSON.parse(Buffer.concat(chunks).toString()) as {
        number: string
        revision: number
      }
      const key = String(request.headers['idempotency-key'])
      const order = `${number}${revision}`
      calls.push({
        from: request.socket.remoteAddress ?? '',
        path: request.url ?? '',
        order,
        key,
        at: performance.now(),
      })
      if (request.url === '/orders' && !done.has(key)) done.set(key, order)
      setTimeout(
        () => response.writeHead(201, { 'content-type': 'application/json' }).end('{"ok":true}'),
        pace.answerMs,
      )
    })
  }).listen(0, host)
  await new Promise((resolve) => server.once('listening', resolve))
  cleanup.defer(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://${host}:${(server.address() as AddressInfo).port}`, calls, done, pace }
}

/** From now on the schema says which session wrote what and when. */
async function watchWriters(rig: Rig): Promise<void> {
  await rig.sql(
    'CREATE TABLE writers (app text NOT NULL, what text NOT NULL, at timestamptz DEFAULT clock_timestamp())',
  )
  await rig.sql(`CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO writers VALUES (current_setting('application_name'), TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$`)
  for (const table of ['runs', 'steps', 'attempts', 'lanes', 'positions'])
    await rig.sql(
      `CREATE TRIGGER note_writer AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION note_writer()`,
    )
}

interface Node {
  readonly pid: number
  readonly toDatabase: Cable
  readonly toTarget: Cable
  kill(): void
}

/** A world of two networks: one to the database, one to the target; both workers are in both. */
async function setUp() {
  const rig = await openRig()
  cleanup.defer(() => rig.close())
  await watchWriters(rig)
  const database = cleanup.adopt(await Lan.open(), (lan) => lan.close())
  const targets = cleanup.adopt(await Lan.open(), (lan) => lan.close())
  const { hostname, port } = new URL(databaseUrl)
  const proxy = await ChaosProxy.open({
    host: database.address,
    upstream: { host: hostname, port: Number(port || 5432) },
  })
  cleanup.defer(() => proxy.close())
  const url = new URL(databaseUrl)
  url.host = `${database.address}:${proxy.port}`
  const target = await openTarget(targets.address)
  const settings: HostNodeSettings = { url: url.href, schema: rig.schema, target: target.url, leaseMs }
  const startNode = async (): Promise<Node> => {
    const host = cleanup.adopt(await Host.open(), (each) => each.close())
    const toDatabase = await database.join(host)
    const toTarget = await targets.join(host)
    const child = host.fork(new URL('./host-node.ts', import.meta.url), [JSON.stringify(settings)])
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code) => reject(new Error(`a node ended with ${code} before it had started`)))
    })
    return { pid: child.pid ?? 0, toDatabase, toTarget, kill: () => void child.kill('SIGKILL') }
  }
  return { rig, target, startNode }
}

/** The worker id holds the process it is in. */
const isOf = ({ pid }: Node, worker: string) => worker.includes(`-${pid}-`)

async function ownerOf(rig: Rig): Promise<string> {
  const [group] = await rig.sql<{ owner: string | null }>('SELECT owner FROM lane_groups')
  return group?.owner ?? ''
}

const succeeded = async (rig: Rig) =>
  Number((await rig.sql<{ n: string }>('SELECT count(*) AS n FROM runs WHERE state = 10'))[0]?.n)

describe.skipIf(fault !== undefined)('workers on several hosts', () => {
  it('goes on elsewhere when the owner loses the database but not the target, and the owner stays silent', async () => {
    const { rig, target, startNode } = await setUp()
    const nodes = [await startNode(), await startNode()]
    await rig.until(async () => (await ownerOf(rig)) !== '')
    const zombieId = await ownerOf(rig)
    const zombie = nodes.find((node) => isOf(node, zombieId)) as Node
    const other = nodes.find((node) => node !== zombie) as Node
    const keys = Array.from({ length: 20 }, (_, index) => `K${index}-`)
    const revisions = 50
    await rig.publish({ number: 'long', revision: 1 }, ...orders(keys, revisions))
    const all = keys.length * revisions + 1
    await rig.until(() => target.calls.length > 60)

    await zombie.toDatabase.cut()
    const cutAt = performance.now()
    const beatsOf = ({ toTarget }: Node) =>
      target.calls.filter(({ from, path }) => path === '/beats' && from === toTarget.address)
    const fromOther = () => target.calls.find(({ from }) => from === other.toTarget.address)
    await rig.until(() => fromOther() !== undefined, 20_000)
    const tookOverAt = fromOther()?.at ?? Infinity
    console.log(tookOverAt - cutAt, 'calls', target.calls.length, 'succeeded', await succeeded(rig))
    expect(tookOverAt - cutAt).toBeLessThan(takeoverMs)
    const [{ n: written } = { n: '' }] = await writes(rig, zombieId)
    expect(await succeeded(rig)).toBeLessThan(all - 200) // there is work left while it comes back
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    await zombie.toDatabase.heal()
    await new Promise((resolve) => setTimeout(resolve, 2_000)) // the owner may try
    target.pace.answerMs = 10
    const cameBack = async () =>
      (await rig.sql<{ id: string }>('SELECT id FROM workers WHERE NOT dead')).some(
        ({ id }) => isOf(zombie, id) && id !== zombieId,
      )
    await rig.until(cameBack, 20_000)
    await rig.until(async () => (await succeeded(rig)) === all, 40_000)

    console.log(
      beatsOf(zombie)
        .map(({ at }) => Math.round(at - cutAt))
        .join(),
      beatsOf(other).length,
    )
    const fromZombie = target.calls.filter(({ from }) => from === zombie.toTarget.address)
    expect(fromZombie.length).toBeGreaterThan(60)
    expect(beatsOf(zombie).length).toBeGreaterThan(10) // in the middle of a step that goes on as long as it may
    expect(Math.max(...fromZombie.map(({ at }) => at))).toBeLessThan(Math.min(tookOverAt, cutAt + leaseMs))
    expect(await writes(rig, zombieId)).toEqual([{ n: written }])
    expect(await rig.sql('SELECT dead FROM workers WHERE id = $1', [zombieId])).toEqual([{ dead: true }])
    expectOrder(target, keys, revisions)

    other.kill()
    await rig.publish(...orders(['after'], 3))
    await rig.until(() => target.done.size === all + 3, 20_000)
    expect(target.calls.at(-1)?.from).toBe(zombie.toTarget.address)
  }, 120_000)
})

const writes = (rig: Rig, worker: string) =>
  rig.sql<{ n: string }>('SELECT count(*) AS n FROM writers WHERE app = $1', [`busbar:${worker}`])

/** First effects by key in order, each event once. */
function expectOrder(
  { done }: Awaited<ReturnType<typeof openTarget>>,
  keys: readonly string[],
  revisions: number,
): void {
  const effects = [...done.values()]
  for (const key of keys)
    expect(effects.filter((order) => order.startsWith(key))).toEqual(
      Array.from({ length: revisions }, (_, index) => `${key}${index + 1}`),
    )
}

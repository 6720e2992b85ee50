/**
 * Six target systems in a process of their own. Each request is one line in an append-only file. They fail as real
 * ones do: `keyed` and `other` recognise idempotency keys, `forgetful` does everything again that it is sent again; so do
 * `sales`, `invoices` and `shipments`, which hold a document per deal until it is undone: the first without keys.
 */
import { hash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as a target saw it. */
export interface SinkRecord {
  readonly sink: string
  readonly kind: 'send' | 'find'
  readonly event: string
  readonly number: string
  readonly idempotencyKey: string
  readonly at: number
  /** Milliseconds since 1970. */
  readonly wall: number
  /** Process id of the sender. */
  readonly pid: number
  readonly effect: boolean
  readonly fault: string
}

/** One request of a deal as a system with documents saw it. */
export interface DealRecord {
  readonly sink: string
  readonly kind: 'create' | 'look' | 'undo'
  readonly event: string
  readonly idempotencyKey: string
  readonly at: number
  /** Milliseconds since 1970. */
  readonly wall: number
  /** Process id of the sender. */
  readonly pid: number
  /** A document came, or went. */
  readonly effect: boolean
  readonly document: string
  readonly fault: string
}

const [seedText = '1', file = '/dev/null'] = process.argv.slice(2)
const records = createWriteStream(file, { flags: 'a' })
const faults: Record<string, number> = { timeout: 0, reset: 0, failing: 0, throttled: 0, refusedForGood: 0 }
const times = new Map<string, number>()
let nextDocument = 1

/** A share of the deals is refused for good, by the second system or the third. */
function isRefused(sink: string, reference: string): boolean {
  const share = { invoices: 0.04, shipments: 0.04 }[sink] ?? 0
  return luckOf(`refused ${sink} ${reference}`) < share
}

function luckOf(what: string): number {
  return Number.parseInt(hash('sha256', `${seedText} ${what}`, 'hex').slice(0, 8), 16) / 0x1_0000_0000
}

/** The fault that the nth request with this key meets. */
function faultOf(sink: string, key: string): string {
  const name = `${sink} ${key}`
  const nth = (times.get(name) ?? 0) + 1
  times.set(name, nth)
  const luck = luckOf(`${name} ${nth}`)
  if (luck < 0.02) return 'timeout'
  if (luck < 0.03) return 'reset'
  if (luck < 0.04) return 'failing'
  if (luck < 0.042) return 'throttled'
  return ''
}

function serve(sink: string, honoursKeys: boolean): Promise<number> {
  const known = new Set<string>()
  const references = new Set<string>()
  const handle = (request: IncomingMessage, response: ServerResponse, body: string) => {
    const header = (name: string) => String(request.headers[name] ?? '')
    const note = (kind: SinkRecord['kind'], effect: boolean, fault: string, number: string) => {
      if (fault) faults[fault] = (faults[fault] ?? 0) + 1
      const record: SinkRecord = {
        sink,
        kind,
        event: header('ce-id'),
        number,
        idempotencyKey: header('idempotency-key'),
        at: performance.now(),
        wall: Date.now(),
        pid: Number(header('x-chaos-pid')),
        effect,
        fault,
      }
      records.write(`${JSON.stringify(record)}\n`)
    }
    if (request.method === 'GET') {
      const reference = new URL(request.url ?? '/', 'http://sink').searchParams.get('reference') ?? ''
      note('find', false, '', '')
      return void answer(response, 200, references.has(reference) ? [{ reference }] : [])
    }
    const order = JSON.parse(body) as { number: string; reference?: string }
    const key = header('idempotency-key')
    const fault = faultOf(sink, key)
    const refuses = fault === 'failing' || fault === 'throttled'
    const effect = !refuses && !(honoursKeys && known.has(key))
    note('send', effect, fault, order.number)
    if (effect) known.add(key)
    if (effect && order.reference !== undefined) references.add(order.reference)
    respond({ request, response }, fault, { ok: true })
  }
  return listen(handle)
}

/** A system with documents: a deal is in it while it has one. Each request is a line in the ledger. */
function serveDocuments(sink: string, honoursKeys: boolean): Promise<number> {
  const byKey = new Map<string, string>()
  const documents = new Map<string, string>()
  const handle = (request: IncomingMessage, response: ServerResponse, body: string) => {
    const header = (name: string) => String(request.headers[name] ?? '')
    const url = new URL(request.url ?? '/', 'http://sink')
    const key = header('idempotency-key')
    const note = (more: Pick<DealRecord, 'kind' | 'effect' | 'document' | 'fault'>) => {
      if (more.fault) faults[more.fault] = (faults[more.fault] ?? 0) + 1
      const record: DealRecord = {
        sink,
        event: header('ce-id'),
        idempotencyKey: key,
        at: performance.now(),
        wall: Date.now(),
        pid: Number(header('x-chaos-pid')),
        ...more,
      }
      records.write(`${JSON.stringify(record)}\n`)
    }
    if (request.method === 'GET') {
      const reference = url.searchParams.get('reference') ?? ''
      const found = [...documents].filter(([, of]) => of === reference).map(([id]) => ({ id }))
      note({ kind: 'look', effect: false, document: found[0]?.id ?? '', fault: '' })
      return void answer(response, 200, found)
    }
    const fault = faultOf(sink, key)
    const refuses = fault === 'failing' || fault === 'throttled'
    const undoes = request.method === 'DELETE'
    const reference = undoes ? '' : (JSON.parse(body) as { reference: string }).reference
    if (!undoes && isRefused(sink, reference)) {
      note({ kind: 'create', effect: false, document: '', fault: 'refusedForGood' })
      return void answer(response, 422, { error: 'no tax code' })
    }
    const known = honoursKeys ? byKey.get(key) : undefined
    const document = undoes ? (url.pathname.split('/').at(-1) ?? '') : (known ?? `${sink}-${nextDocument++}`)
    const effect = !refuses && (undoes ? documents.delete(document) : known === undefined)
    note({ kind: undoes ? 'undo' : 'create', effect, document, fault })
    if (effect && !undoes) {
      documents.set(document, reference)
      byKey.set(key, document)
    }
    respond({ request, response }, fault, { id: document })
  }
  return listen(handle)
}

/** As the fault wants it. */
function respond(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  fault: string,
  body: unknown,
): void {
  if (fault === 'failing') return void answer(response, 500, { error: 'internal' })
  if (fault === 'throttled') return void answer(response, 429, { error: 'slow down' }, { 'retry-after': '1' })
  if (fault === 'reset') return void request.socket.resetAndDestroy()
  if (fault === 'timeout') return // done, and never answered
  answer(response, 201, body)
}

function listen(
  handle: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => handle(request, response, Buffer.concat(chunks).toString()))
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  )
}

function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

const ports = [
  ...[await serve('keyed', true), await serve('other', true), await serve('forgetful', false)],
  ...[await serveDocuments('sales', false), await serveDocuments('invoices', true)],
  await serveDocuments('shipments', true),
]
process.once('disconnect', () => process.exit(1)) // the run was killed
process.send?.({ urls: ports.map((port) => `http://127.0.0.1:${port}`) })
process.on('message', () => records.end(() => process.send?.({ faults })))

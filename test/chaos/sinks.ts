/**
 * Three target systems in a process of their own. Each request is one line in an append-only file. They fail as real
 * ones do: `keyed` and `other` recognise idempotency keys, `forgetful` does everything again that it is sent again.
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
  readonly effect: boolean
  readonly fault: string
}

const [seedText = '1', file = '/dev/null'] = process.argv.slice(2)
const records = createWriteStream(file, { flags: 'a' })
const faults: Record<string, number> = { timeout: 0, reset: 0, failing: 0, throttled: 0 }
const times = new Map<string, number>()

/** The fault that the nth request with this key meets. */
function faultOf(sink: string, key: string): string {
  const name = `${sink} ${key}`
  const nth = (times.get(name) ?? 0) + 1
  times.set(name, nth)
  const luck =
    Number.parseInt(hash('sha256', `${seedText} ${name} ${nth}`, 'hex').slice(0, 8), 16) / 0x1_0000_0000
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
    if (fault === 'failing') return void answer(response, 500, { error: 'internal' })
    if (fault === 'throttled')
      return void answer(response, 429, { error: 'slow down' }, { 'retry-after': '1' })
    if (fault === 'reset') return void request.socket.resetAndDestroy()
    if (fault === 'timeout') return // done, and never answered
    answer(response, 201, { ok: true })
  }
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

const ports = [await serve('keyed', true), await serve('other', true), await serve('forgetful', false)]
process.send?.({ urls: ports.map((port) => `http://127.0.0.1:${port}`) })
process.on('message', () => records.end(() => process.send?.({ faults })))

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Order } from './order.ts'
import { Door, parseJson, readBody } from './simulators/door.ts'

/** Addresses of the three systems, and the shop's secret. */
export interface DirectOptions {
  readonly erpUrl: string
  readonly accountingUrl: string
  readonly logisticsUrl: string
  readonly secret: string
}

/** A bridge that is running. */
export interface DirectBridge {
  readonly url: string
  stop(): Promise<void>
}

const tries = 3
const timeoutMs = 1_000
const pauseMs = 100

/**
 * The bridge that most teams start with: on each webhook it calls the three systems one after another, tries each call
 * three times, and tells the shop to send again when one of them failed. It looks careful, and it is wrong in four
 * ways: nothing is stored, so what is given up is lost; copies and repeats are booked again; a call that took effect
 * without an answer is repeated; and two messages of one order may run at the same time.
 */
export async function startDirectBridge(options: DirectOptions): Promise<DirectBridge> {
  const door = new Door((request, response) => void serve({ request, response, options }))
  await door.open()
  return { url: door.url, stop: () => door.shut() }
}

async function serve(webhook: {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly options: DirectOptions
}): Promise<void> {
  const { request, response, options } = webhook
  const raw = await readBody(request)
  if (!raw || !isSigned(request, { raw, secret: options.secret })) return void response.writeHead(401).end()
  const order = Order.safeParse(parseJson(raw))
  if (!order.success) return void response.writeHead(422).end()
  try {
    await bridge(order.data, options)
    response.writeHead(200).end()
  } catch {
    response.writeHead(502).end() // the shop will send it again
  }
}

async function bridge(order: Order, { erpUrl, accountingUrl, logisticsUrl }: DirectOptions): Promise<void> {
  const document = { reference: order.number, revision: order.revision, totalCents: order.totalCents }
  await bookSale(erpUrl, document)
  await call('POST', `${accountingUrl}/invoices`, document)
  await call('POST', `${logisticsUrl}/shipments`, document)
}

async function bookSale(erpUrl: string, document: { reference: string; revision: number }): Promise<void> {
  if (document.revision === 1) return void (await call('POST', `${erpUrl}/sales`, document))
  const known = (await call('GET', `${erpUrl}/sales?reference=${document.reference}`)) as { id: string }[]
  const [sale] = known
  if (sale) await call('PATCH', `${erpUrl}/sales/${sale.id}`, document)
  else await call('POST', `${erpUrl}/sales`, document)
}

async function call(method: string, url: string, body?: object): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      const answer: unknown = await response.json()
      if (response.ok) return answer
      throw new TypeError(`${method} ${url} answered ${response.status}`)
    } catch (error) {
      if (attempt === tries) throw error
      await sleep(pauseMs * attempt)
    }
  }
}

function isSigned(request: IncomingMessage, { raw, secret }: { raw: Buffer; secret: string }): boolean {
  const given = Buffer.from(String(request.headers['x-shop-hmac-sha256']), 'base64')
  const wanted = createHmac('sha256', secret).update(raw).digest()
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

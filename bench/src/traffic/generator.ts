/**
 * A process that publishes orders over kept connections: as fast as it is let, or at a fixed rate. What is refused is sent
 * again, with the same id. It speaks with the bench over the channel of its fork: see `Command`.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { now, sleep } from './clock.ts'
import { messageReader } from './http-lite.ts'
import { Orders } from './orders.ts'
import type { Order } from './orders.ts'

/** How it is started: JSON in its first argument. */
export interface GeneratorSettings {
  readonly port: number
  readonly connections: number
  readonly keys: number
  readonly payloadBytes: number
}

export type Command =
  /** Sends until `stop`, at most `upTo` events in all; `allow` raises that. */
  | { readonly do: 'start' | 'allow'; readonly upTo: number }
  | { readonly do: 'stop' | 'count' }
  | { readonly do: 'paced'; readonly perSecond: number; readonly seconds: number; readonly timed: boolean }

export interface Sent {
  readonly accepted: number
  /** Answers other than 2xx; each of those events was sent again. */
  readonly refused: number
  /** Of a timed phase: its id, when its time had come, when it was accepted. */
  readonly times?: readonly (readonly [id: string, dueAt: number, acceptedAt: number])[]
}

const settings = JSON.parse(process.argv[2] ?? '{}') as GeneratorSettings
const orders = new Orders(settings)
const againAfterMs = 50

interface Connection {
  readonly socket: Socket
  order: Order | undefined
  dueAt: number
}

/** Longest free first: one that never sends is ended by servers. */
const free: Connection[] = []
let accepted = 0
let refused = 0
let inFlight = 0
let upTo = 0
let times: [string, number, number][] | undefined
let onFree: (() => void) | undefined

function send(connection: Connection, order: Order): void {
  connection.order = order
  connection.socket.write(
    `POST /events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/cloudevents+json\r\ncontent-length: ${order.body.length}\r\n\r\n${order.body}`,
    'latin1',
  )
}

function sendNext(connection: Connection, dueAt: number): void {
  inFlight++
  connection.dueAt = dueAt
  send(connection, orders.next())
}

function answered(connection: Connection, head: string): void {
  const { order } = connection
  // A server that ends an idle connection may say so before.
  if (!order && head.startsWith('HTTP/1.1 408')) return
  if (!order) throw new Error(`an answer that nobody waits for: ${head.split('\r')[0]}`)
  if (!head.startsWith('HTTP/1.1 2')) {
    refused++
    setTimeout(() => send(connection, order), againAfterMs)
    return
  }
  accepted++
  inFlight--
  orders.accepted(order)
  times?.push([order.id, connection.dueAt, now()])
  if (accepted + inFlight < upTo) sendNext(connection, 0)
  else {
    connection.order = undefined
    free.push(connection)
  }
  onFree?.()
}

function allow(count: number): void {
  upTo = count
  while (accepted + inFlight < upTo) {
    const connection = free.shift()
    if (!connection) return
    sendNext(connection, 0)
  }
}

async function untilAnswered(): Promise<void> {
  while (inFlight > 0) await new Promise<void>((resolve) => (onFree = resolve))
  onFree = undefined
}

/**
 * At a fixed rate for a fixed time. An event whose time has come while no connection was free waits, and its waiting counts;
 * what has still not left when the time is over is not sent.
 */
async function paced(perSecond: number, seconds: number): Promise<void> {
  const startedAt = now()
  const due: number[] = []
  let next = 0
  const sendDue = (at: number) => {
    while (next < due.length) {
      const connection = free.shift()
      if (!connection) return
      sendNext(connection, due[next++] ?? at)
    }
  }
  onFree = () => sendDue(now())
  for (let at = startedAt; at < startedAt + seconds * 1_000; at = now()) {
    const count = Math.min(perSecond * seconds, Math.floor(((at - startedAt) / 1_000) * perSecond) + 1)
    while (due.length < count) due.push(at)
    sendDue(at)
    await sleep(1)
  }
  await untilAnswered()
}

async function obey(command: Command): Promise<void> {
  if (command.do === 'start' || command.do === 'allow') allow(command.upTo)
  if (command.do === 'stop') {
    upTo = 0
    await untilAnswered()
  }
  if (command.do !== 'paced') return tell({ accepted, refused })
  const noted: [string, number, number][] = []
  times = command.timed ? noted : undefined
  await paced(command.perSecond, command.seconds)
  times = undefined
  tell({ accepted, refused, times: noted })
}

const tell = (sent: Sent) => void process.send?.(sent)

/** A server may end a connection that was idle for long: another takes its place. */
async function open(): Promise<void> {
  const socket = connect(settings.port, '127.0.0.1').setNoDelay(true)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const connection: Connection = { socket, order: undefined, dueAt: 0 }
  const read = messageReader((head) => answered(connection, head))
  socket.on('data', read)
  socket.on('close', () => {
    if (connection.order) throw new Error('what is measured has closed a connection with an event under way')
    const place = free.indexOf(connection)
    if (place >= 0) free.splice(place, 1)
    void open()
  })
  free.push(connection)
  onFree?.()
}

for (let index = 0; index < settings.connections; index++) await open()
process.on('message', (command: Command | { readonly ask: 'stop' }) => {
  if ('ask' in command) process.exit(0)
  void obey(command)
})
process.send?.({ ready: true })

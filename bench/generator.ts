/** A process that publishes orders of about 1 KB with 10,000 keys over 64 connections: as fast as it is let, or at a fixed rate. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { messageReader, preciseNow } from './http-lite.ts'

const [port = 0, connections = 64] = process.argv.slice(2).map(Number)
const keys = 10_000
const filler = 'x'.repeat(760)
let next = 0
let accepted = 0
let refused = 0
/** When each event that was accepted left; kept while the rate is fixed. */
let sentAt: Map<string, number> | undefined
let going = false
let inFlight = 0
let onAnswer: (() => void) | undefined

function request(): { id: string; bytes: string } {
  const number = next++
  const id = `${process.pid}-${number}`
  const key = `SO-${(number * 7_919) % keys}`
  const body = `{"specversion":"1.0","id":"${id}","source":"urn:bench","type":"bench.order.placed","data":{"number":"${key}","revision":${number},"customer":"C-${number % 500}","note":"${filler}"}}`
  const head = `POST /events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/cloudevents+json\r\ncontent-length: ${body.length}\r\n\r\n`
  return { id, bytes: head + body }
}

/** A connection, and the event that it waits for the answer of. */
interface Connection {
  readonly socket: Socket
  id: string
}

const free: Connection[] = []

function send(connection: Connection): void {
  const { id, bytes } = request()
  connection.id = id
  sentAt?.set(id, preciseNow())
  inFlight++
  connection.socket.write(bytes)
}

function answered(connection: Connection, head: string): void {
  inFlight--
  if (head.startsWith('HTTP/1.1 202')) accepted++
  else {
    refused++
    sentAt?.delete(connection.id)
  }
  if (going) send(connection)
  else free.push(connection)
  onAnswer?.()
}

for (let index = 0; index < connections; index++) {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await new Promise((resolve) => socket.once('connect', resolve))
  const connection = { socket, id: '' }
  socket.on(
    'data',
    messageReader((head) => answered(connection, head)),
  )
  free.push(connection)
}

async function untilAnswered(): Promise<void> {
  while (inFlight > 0) await new Promise<void>((resolve) => (onAnswer = resolve))
}

/** Publishes at a fixed rate as long as a connection is free, then as soon as one is; resolves when all are answered. */
async function paced(perSecond: number, seconds: number): Promise<void> {
  const startedAt = performance.now()
  const total = perSecond * seconds
  for (let sent = 0; sent < total;) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond) + 1
    while (sent < Math.min(due, total)) {
      const connection = free.shift()
      if (!connection) break
      send(connection)
      sent++
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await untilAnswered()
}

process.on(
  'message',
  (message: { do: 'start' | 'stop' | 'paced' | 'count'; perSecond?: number; seconds?: number }) => {
    void (async () => {
      if (message.do === 'start') {
        going = true
        for (const connection of free.splice(0)) send(connection)
      }
      if (message.do === 'stop') {
        going = false
        await untilAnswered()
      }
      if (message.do === 'paced') {
        sentAt = new Map()
        await paced(message.perSecond ?? 200, message.seconds ?? 10)
      }
      process.send?.({ accepted, refused, sentAt: message.do === 'paced' ? [...(sentAt ?? [])] : undefined })
    })()
  },
)
process.send?.({ ready: true })

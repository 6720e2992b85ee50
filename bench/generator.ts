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
let sentAt: Map<string, number> | undefined
let going = false
let onIdle: (() => void) | undefined
let inFlight = 0

function request(): { id: string; bytes: string } {
  const number = next++
  const id = `${process.pid}-${number}`
  const key = `SO-${(number * 7_919) % keys}`
  const body = `{"specversion":"1.0","id":"${id}","source":"urn:bench","type":"bench.order.placed","data":{"number":"${key}","revision":${number},"customer":"C-${number % 500}","note":"${filler}"}}`
  const head = `POST /events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/cloudevents+json\r\ncontent-length: ${body.length}\r\n\r\n`
  return { id, bytes: head + body }
}

const free: Socket[] = []
function send(socket: Socket): void {
  const { id, bytes } = request()
  sentAt?.set(id, preciseNow())
  inFlight++
  socket.write(bytes)
}

for (let index = 0; index < connections; index++) {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.on(
    'data',
    messageReader((head) => {
      inFlight--
      if (head.startsWith('HTTP/1.1 202')) accepted++
      else refused++
      if (going) send(socket)
      else {
        free.push(socket)
        if (inFlight === 0) onIdle?.()
      }
    }),
  )
  free.push(socket)
}

/** Publishes at a fixed rate, whatever the answers take. */
async function paced(perSecond: number, seconds: number): Promise<void> {
  const startedAt = performance.now()
  const total = perSecond * seconds
  for (let sent = 0; sent < total;) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond) + 1
    for (; sent < Math.min(due, total); sent++) {
      const socket = free.shift()
      if (socket) send(socket)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

process.on(
  'message',
  (message: { do: 'start' | 'stop' | 'paced' | 'count'; perSecond?: number; seconds?: number }) => {
    void (async () => {
      if (message.do === 'start') {
        going = true
        for (const socket of free.splice(0)) send(socket)
      }
      if (message.do === 'stop') {
        going = false
        if (inFlight > 0) await new Promise<void>((resolve) => (onIdle = resolve))
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

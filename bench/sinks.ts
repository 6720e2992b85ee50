/** A process with three HTTP targets that accept everything. Says its ports; answers `{ count }` and, on request, when the last delivery of each event arrived. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { messageReader, preciseNow } from './http-lite.ts'

const answer = Buffer.from(
  'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}',
)
let count = 0
let timed: Map<string, { deliveries: number; lastAt: number }> | undefined
const down = [false, false, false]
const perSink = [0, 0, 0]

const ports = await Promise.all(
  [0, 1, 2].map(
    (sink) =>
      new Promise<number>((resolve) => {
        const server = createServer((socket) => {
          if (down[sink]) return socket.destroy()
          socket.setNoDelay(true)
          socket.on('error', () => undefined)
          socket.on(
            'data',
            messageReader((head) => {
              if (down[sink]) return socket.destroy()
              count++
              perSink[sink]!++
              if (timed) note(/ce-id: *(\S+)/i.exec(head)?.[1] ?? '')
              socket.write(answer)
            }),
          )
        })
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
      }),
  ),
)

function note(id: string): void {
  const seen = timed?.get(id)
  if (seen) {
    seen.deliveries++
    seen.lastAt = preciseNow()
  } else timed?.set(id, { deliveries: 1, lastAt: preciseNow() })
}

process.on(
  'message',
  (message: { ask: 'count' | 'time' | 'times' | 'down'; sink?: number; down?: boolean }) => {
    if (message.ask === 'time') timed = new Map()
    if (message.ask === 'down') down[message.sink ?? 0] = message.down ?? false
    process.send?.({
      count,
      perSink,
      ...(message.ask === 'times' && {
        times: [...(timed ?? [])].map(([id, { deliveries, lastAt }]) => ({ id, deliveries, lastAt })),
      }),
    })
  },
)
process.send?.({ ports })

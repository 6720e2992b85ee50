/**
 * A process with three HTTP targets that accept everything. Says its ports; answers how many deliveries there were, each
 * event once per target, how many were repeats, and, on request, when each event had reached all three.
 */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { messageReader, preciseNow } from './http-lite.ts'

const answer = Buffer.from(
  'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}',
)
let repeats = 0
/** Events by how many targets have them, and since when; kept while latency is measured. */
let timed: Map<string, { targets: number; lastAt: number }> | undefined
const down = [false, false, false]
const delivered = [new Set<string>(), new Set<string>(), new Set<string>()]

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
              note(eventOf(head), delivered[sink] as Set<string>)
              socket.write(answer)
            }),
          )
        })
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
      }),
  ),
)

const idHeader = '\r\nce-id: '

/** Both systems write the name in lower case. */
function eventOf(head: string): string {
  const start = head.indexOf(idHeader) + idHeader.length
  const end = head.indexOf('\r\n', start)
  return head.slice(start, end < 0 ? undefined : end)
}

function note(id: string, own: Set<string>): void {
  if (own.has(id)) {
    repeats++
    return
  }
  own.add(id)
  if (!timed) return
  const seen = timed.get(id) ?? { targets: 0, lastAt: 0 }
  timed.set(id, { targets: seen.targets + 1, lastAt: preciseNow() })
}

process.on(
  'message',
  (message: { ask: 'count' | 'time' | 'times' | 'down'; sink?: number; down?: boolean }) => {
    if (message.ask === 'time') timed = new Map()
    if (message.ask === 'down') down[message.sink ?? 0] = message.down ?? false
    process.send?.({
      count: delivered.reduce((sum, { size }) => sum + size, 0),
      perSink: delivered.map(({ size }) => size),
      repeats,
      ...(message.ask === 'times' && {
        times: [...(timed ?? [])].flatMap(([id, { targets, lastAt }]) =>
          targets === 3 ? [{ id, lastAt }] : [],
        ),
      }),
    })
  },
)
process.send?.({ ports })

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { BusbarError } from '../../errors.ts'
import type { LiveFeed } from './feed.ts'

/** A client that reads nothing is let go when so much waits for it. */
const maxUnreadBytes = 64 * 1024
/** What a client has not read by then it will not read. */
const lastReadMs = 5_000

/** Who may watch. */
interface LiveDoor {
  readonly admit: (request: FastifyRequest) => Promise<void>
  readonly admitEveryMs: number
}

/**
 * Serves the feed as server-sent events at `/live`: `event: changed` with `{"topics":["status","problems"]}`, and comments
 * while nothing changes. A client that comes back is told what has changed since (`Last-Event-ID`). `admit` throws for
 * those who may not read; it is asked again every `admitEveryMs`, and the stream of one who may not any more ends.
 */
export function serveLive(api: FastifyInstance, feed: LiveFeed, { admit, admitEveryMs }: LiveDoor): void {
  api.get('/live', { onRequest: (request) => admit(request) }, (request, reply) => {
    if (feed.isFull || feed.isOver)
      throw new BusbarError('overloaded', 'too many watch already: ask again later')
    const { raw } = reply
    void reply.hijack()
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    })
    raw.on('error', () => undefined) // a client that has gone: its close follows
    const write = (text: string) => {
      if (raw.destroyed || raw.writableEnded) return
      if (raw.writableLength > maxUnreadBytes) raw.destroy()
      else raw.write(text)
    }
    const end = () => {
      raw.end()
      setTimeout(() => raw.destroy(), lastReadMs).unref()
    }
    write('retry: 2000\n: watching\n\n')
    const lastId = request.headers['last-event-id']
    const leave = feed.watch(
      {
        changed: (topics, id) => write(`id: ${id}\nevent: changed\ndata: ${JSON.stringify({ topics })}\n\n`),
        quiet: () => write(': quiet\n\n'),
        ended: end,
      },
      typeof lastId === 'string' ? lastId : undefined,
    )
    const again = setInterval(() => {
      admit(request).catch((error: unknown) => {
        if (!isRefused(error)) return // the journal is away: the next time will tell
        leave()
        end()
      })
    }, admitEveryMs)
    const gone = () => {
      clearInterval(again)
      leave()
    }
    raw.on('close', gone)
    if (raw.destroyed) gone() // while it was admitted
  })
}

function isRefused(error: unknown): boolean {
  return (
    error instanceof BusbarError &&
    (error.code === 'request.unauthorized' || error.code === 'request.forbidden')
  )
}

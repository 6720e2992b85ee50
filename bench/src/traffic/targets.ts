/**
 * A process with three HTTP targets that accept everything and keep a ledger of it. One can go away: it then refuses
 * connections. It speaks with the bench over the channel of its fork: see `Question`.
 */
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { now } from './clock.ts'
import { headerOf, messageReader } from './http-lite.ts'
import { Ledger } from './ledger.ts'

export type Question =
  | { readonly ask: 'count' }
  /** From now on it is noted when each event arrives, `perEvent` times; `times` answers and ends it. */
  | { readonly ask: 'time'; readonly perEvent: number }
  | { readonly ask: 'times' }
  | { readonly ask: 'down' | 'up'; readonly target: number }

export interface Received {
  /** Deliveries, each event once for each target and flow. */
  readonly count: number
  readonly perTarget: readonly number[]
  readonly repeats: number
  readonly late: number
  /** Of a hundredth of the deliveries that are read: those whose body is not that of their event. */
  readonly wrong: number
  /** Of the events that have arrived everywhere: when the last delivery did. */
  readonly times?: readonly (readonly [id: string, lastAt: number])[]
}

const answer = Buffer.from(
  'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}',
)
const readEach = 100
let deliveries = 0
let wrong = 0
let timing:
  { readonly perEvent: number; readonly seen: Map<string, { count: number; lastAt: number }> } | undefined

class Target {
  /** By path: a flow of its own for each. */
  readonly ledgers = new Map<string, Ledger>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  port = 0

  up(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket))
    this.#server = server
    return new Promise((resolve) =>
      server.listen(this.port, '127.0.0.1', 1_024, () => {
        this.port = (server.address() as AddressInfo).port
        resolve()
      }),
    )
  }

  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(socket: Socket): void {
    socket.setNoDelay(true)
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    const read = messageReader((head, body) => {
      this.#note(head, body)
      socket.write(answer)
    })
    socket.on('data', read)
  }

  #note(head: string, body: Buffer): void {
    const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP'))
    const id = headerOf(head, 'ce-id') ?? idIn(body)
    if (deliveries++ % readEach === 0 && !isOf(id, body)) wrong++
    let ledger = this.ledgers.get(path)
    if (!ledger) this.ledgers.set(path, (ledger = new Ledger()))
    if (ledger.note(id) && timing) {
      const seen = timing.seen.get(id)
      if (seen) {
        seen.count++
        seen.lastAt = now()
      } else timing.seen.set(id, { count: 1, lastAt: now() })
    }
  }
}

/** The generator, when it calls a target itself, sends whole envelopes and no header. */
function idIn(body: Buffer): string {
  return /"id":"([^"]+)"/.exec(body.toString('latin1', 0, 100))?.[1] ?? ''
}

function isOf(id: string, body: Buffer): boolean {
  const read = JSON.parse(body.toString()) as { data?: object }
  const { number, revision } = (read.data ?? read) as { number: string; revision: number }
  return `SO-${id}` === `${number}.${revision}`
}

const targets = [new Target(), new Target(), new Target()]
for (const target of targets) await target.up()

function received(): Received {
  const all = targets.map(({ ledgers }) => [...ledgers.values()])
  const sum = (of: readonly Ledger[], what: 'count' | 'repeats' | 'late') =>
    of.reduce((total, ledger) => total + ledger[what], 0)
  return {
    count: sum(all.flat(), 'count'),
    perTarget: all.map((ledgers) => sum(ledgers, 'count')),
    repeats: sum(all.flat(), 'repeats'),
    late: sum(all.flat(), 'late'),
    wrong,
  }
}

async function answerTo(question: Question): Promise<Received> {
  if (question.ask === 'time') timing = { perEvent: question.perEvent, seen: new Map() }
  if (question.ask === 'down') await targets[question.target]?.down()
  if (question.ask === 'up') await targets[question.target]?.up()
  if (question.ask !== 'times' || !timing) return received()
  const { perEvent, seen } = timing
  const times = [...seen].flatMap(([id, { count, lastAt }]) =>
    count === perEvent ? [[id, lastAt] as const] : [],
  )
  return { ...received(), times }
}

process.on('message', (question: Question | { readonly ask: 'stop' }) => {
  if (question.ask === 'stop') process.exit(0)
  void answerTo(question).then((answered) => process.send?.(answered))
})
process.send?.({ ports: targets.map(({ port }) => port) })

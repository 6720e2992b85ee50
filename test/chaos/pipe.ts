import type { Socket } from 'node:net'
import type { Dice } from '../simulation/dice.ts'

/** What one direction of a line does to what is sent over it; nothing of it by default. */
export interface Impairment {
  /** Each piece comes so much later; the order is kept. */
  readonly delayMs?: number
  /** Up to so much later still, by the seed. */
  readonly jitterMs?: number
  /** For each connection. */
  readonly bytesPerSecond?: number
  /** Nothing is forwarded and nothing is closed; what was sent meanwhile comes after `heal`. */
  readonly stalled?: boolean
  /** What is sent is taken and lost, ends of connections included; a connection that lost something is reset by `heal`. */
  readonly swallows?: boolean
}

/** How often each fault met something: connections for `accepted`, `cut` and `halfClosed`, calls for `refused`, pieces for the others. */
export interface ProxyCounts {
  accepted: number
  refused: number
  cut: number
  halfClosed: number
  delayed: number
  dripped: number
  stalled: number
  swallowed: number
  /** Bytes that came through, both directions. */
  forwarded: number
}

/** One direction of all connections of a proxy. */
export interface Line {
  impairment: Impairment
  readonly counts: ProxyCounts
  readonly dice: Dice
}

/** More than this is left with the sender, whose own window then fills. */
const maxQueuedBytes = 1_048_576
const dripEveryMs = 20

/** One direction of one connection: takes from one socket and writes to another as its line is. */
export class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #line: Line
  /** Pieces in order, and the end of the stream as `undefined`. */
  readonly #queue: { piece: Buffer | undefined; dueAt: number }[] = []
  #queuedBytes = 0
  #dripAt = 0
  #timer: NodeJS.Timeout | undefined
  /** Whether bytes or an end were swallowed: what comes after them must never reach the other side. */
  lost = false

  constructor({ from, to, line }: { from: Socket; to: Socket; line: Line }) {
    this.#from = from
    this.#to = to
    this.#line = line
    from.on('data', (piece: Buffer) => this.#take(piece))
    from.on('end', () => this.#take(undefined))
    to.on('drain', () => this.#forward())
  }

  /** The line is not what it was. */
  changed(): void {
    const { delayMs, jitterMs, bytesPerSecond } = this.#line.impairment
    if (!delayMs && !jitterMs) for (const queued of this.#queue) queued.dueAt = 0
    if (!bytesPerSecond) this.#dripAt = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#forward()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
  }

  /** Ends this direction alone; what is sent over it from now on is lost. */
  end(): void {
    this.close()
    this.lost = true
    this.#to.end()
  }

  #take(piece: Buffer | undefined): void {
    const { impairment, counts, dice } = this.#line
    const { delayMs = 0, jitterMs = 0, stalled, swallows } = impairment
    if (swallows || this.lost) {
      this.lost = true
      counts.swallowed++
      return
    }
    let dueAt = 0
    if (delayMs > 0 || jitterMs > 0) {
      counts.delayed++
      const wanted = performance.now() + delayMs + dice.next() * jitterMs
      dueAt = Math.max(wanted, this.#queue.at(-1)?.dueAt ?? 0)
    }
    if (stalled) counts.stalled++
    this.#queue.push({ piece, dueAt })
    this.#queuedBytes += piece?.length ?? 0
    this.#forward()
  }

  /** Forwards what is due and may go, then sees when to go on. */
  #forward(): void {
    while (!this.#timer && this.#forwardNext());
    if (this.#queuedBytes > maxQueuedBytes) this.#from.pause()
    else this.#from.resume()
  }

  #forwardNext(): boolean {
    const [next] = this.#queue
    const { stalled, bytesPerSecond } = this.#line.impairment
    if (!next || stalled || this.#to.writableNeedDrain || this.#to.destroyed) return false
    const waitMs = Math.max(next.dueAt, this.#dripAt) - performance.now()
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#forward()
      }, waitMs)
      return false
    }
    if (next.piece === undefined) {
      this.#queue.shift()
      this.#to.end()
    } else if (bytesPerSecond) this.#drip(next.piece, bytesPerSecond)
    else {
      this.#queue.shift()
      this.#write(next.piece)
    }
    return true
  }

  #drip(piece: Buffer, bytesPerSecond: number): void {
    const drop = piece.subarray(0, Math.max(1, Math.floor((bytesPerSecond * dripEveryMs) / 1_000)))
    const rest = piece.subarray(drop.length)
    if (rest.length === 0) this.#queue.shift()
    else (this.#queue[0] as { piece: Buffer }).piece = rest
    this.#dripAt = performance.now() + (drop.length / bytesPerSecond) * 1_000
    this.#line.counts.dripped++
    this.#write(drop)
  }

  #write(piece: Buffer): void {
    this.#queuedBytes -= piece.length
    this.#line.counts.forwarded += piece.length
    this.#to.write(piece)
  }
}

import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Pool } from 'undici'
import { messageReader } from '../traffic/http-lite.ts'

/** A call that waits for its turn, and what to do when it is answered. */
export interface Call {
  readonly key: string
  readonly id: string
  readonly body: string
  readonly done: (status: number) => void
}

/** A target: at most `connections` calls at a time, those of a key one after the other. */
export class Lane {
  readonly #waiting: Call[] = []
  /** Keys under way, each with the calls that wait behind. */
  readonly #keys = new Map<string, Call[]>()
  readonly #free: ((call: Call) => void)[] = []
  #next = 0

  /** Over undici in the place of plain sockets. */
  static withUndici(port: number, connections: number): Lane {
    const lane = new Lane()
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections, pipelining: 1 })
    const send = (call: Call) => void lane.#request(pool, call).finally(() => lane.#answered(send, call))
    for (let index = 0; index < connections; index++) lane.#free.push(send)
    return lane
  }

  static async open(port: number, connections: number): Promise<Lane> {
    const lane = new Lane()
    for (let index = 0; index < connections; index++) {
      const socket = connect(port, '127.0.0.1').setNoDelay(true)
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
      lane.#free.push(lane.#senderOn(socket))
    }
    return lane
  }

  add(call: Call): void {
    const behind = this.#keys.get(call.key)
    if (behind) return void behind.push(call)
    this.#keys.set(call.key, [])
    this.#waiting.push(call)
    this.#send()
  }

  #send(): void {
    while (this.#free.length > 0 && this.#next < this.#waiting.length) {
      const call = this.#waiting[this.#next++] as Call
      this.#free.pop()?.(call)
    }
    if (this.#next < 1_024) return
    this.#waiting.splice(0, this.#next)
    this.#next = 0
  }

  #senderOn(socket: Socket): (call: Call) => void {
    let call: Call | undefined
    const send = (next: Call) => {
      call = next
      socket.write(
        `POST /orders HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nce-id: ${next.id}\r\ncontent-length: ${Buffer.byteLength(next.body)}\r\n\r\n${next.body}`,
      )
    }
    const read = messageReader((head) => {
      const answered = call as Call
      answered.done(Number(head.slice(9, 12)))
      this.#answered(send, answered)
    })
    socket.on('data', read)
    return send
  }

  async #request(pool: Pool, { id, body, done }: Call): Promise<void> {
    const answer = await pool.request({
      method: 'POST',
      path: '/orders',
      headers: { 'content-type': 'application/json', 'ce-id': id },
      body,
    })
    await answer.body.text()
    done(answer.statusCode)
  }

  #answered(send: (call: Call) => void, { key }: Call): void {
    this.#free.push(send)
    const next = this.#keys.get(key)?.shift()
    if (next) this.#waiting.push(next)
    else this.#keys.delete(key)
    this.#send()
  }
}

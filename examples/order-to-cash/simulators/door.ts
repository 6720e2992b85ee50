import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

const maxBodyBytes = 1_048_576

/**
 * An HTTP listener on 127.0.0.1 that can be shut, so that connections are refused, and opened again on the same port.
 * Shutting resets the connections that are open. Both are safe to call twice and at the same time: they take turns.
 */
export class Door {
  readonly #listener: RequestListener
  #port: number
  #server: Server | undefined
  #turn: Promise<void> = Promise.resolve()

  /** Port 0 takes a free one, and keeps it when the door opens again. */
  constructor(listener: RequestListener, port = 0) {
    this.#listener = listener
    this.#port = port
  }

  /** Known once the door was open. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Resolves when it listens; rejects when the port is taken. */
  open(): Promise<void> {
    return this.#next(() => this.#open())
  }

  /** Resolves when nothing listens and no connection is left. */
  shut(): Promise<void> {
    return this.#next(() => this.#shut())
  }

  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #open(): Promise<void> {
    if (this.#server) return
    const server = createServer({ keepAliveTimeout: 60_000 }, this.#listener)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen(this.#port, '127.0.0.1', resolve)
    await promise
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  async #shut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    server.closeAllConnections()
    await promise
  }
}

/** The whole body; undefined when it is larger than 1 MiB or the sender went away. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxBodyBytes) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined // the sender went away: there is nobody left to answer
  }
  return Buffer.concat(chunks)
}

/** The body as JSON; undefined when it is none. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return undefined
  }
}

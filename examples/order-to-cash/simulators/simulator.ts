import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { between, chance } from '../chance.ts'
import type { Answer, Arrival, BookOptions, Call, Document } from './book.ts'
import { Book } from './book.ts'
import { Door, parseJson, readBody } from './door.ts'
import type { FaultKind } from './faults.ts'
import { faultOf, Faults, healthy } from './faults.ts'

/** Where a simulator listens, how lucky its callers are, and what is wrong with it from the start. */
export interface SimulatorOptions {
  /** Default 0: a free one. */
  readonly port?: number
  /** Port for `/_faults` and `/_state`, which answer also while the system is down. Default 0: a free one. */
  readonly controlPort?: number
  /** Default 1. */
  readonly seed?: number
  readonly faults?: Partial<Faults>
}

/** What sets one kind of business system apart from another. */
export interface SimulatorKind extends BookOptions {
  readonly name: string
  /** Whether a repeated `Idempotency-Key` gets the first answer again, without a second effect. */
  readonly honoursKeys: boolean
}

type AnsweredCall = Call & { readonly key: string | undefined }

/** How long a healthy system takes, in milliseconds. */
const latencyMs = [1, 4] as const

/**
 * A small business system: it keeps documents in memory, records every effect in the order of arrival, and fails as it
 * is told to. Which request meets which fault follows from the seed, the request and how often it was made, so the
 * same order meets the same faults however fast it is sent.
 */
export class Simulator {
  readonly name: string
  readonly #kind: SimulatorKind
  readonly #seed: number
  readonly #book: Book
  readonly #door: Door
  readonly #controlDoor: Door
  readonly #answered = new Map<string, Answer>()
  readonly #times = new Map<string, number>()
  readonly #hits: Record<FaultKind, number> = {
    throttled: 0,
    failing: 0,
    commitThenTimeout: 0,
    lostResponse: 0,
  }
  #faults: Faults

  constructor(kind: SimulatorKind, options: SimulatorOptions = {}) {
    this.name = kind.name
    this.#kind = kind
    this.#seed = options.seed ?? 1
    this.#book = new Book(kind)
    this.#faults = { ...healthy, ...options.faults }
    this.#door = new Door((request, response) => void this.#serve(request, response), options.port)
    this.#controlDoor = new Door(
      (request, response) => void this.#control(request, response),
      options.controlPort,
    )
  }

  /** Base address of the system. */
  get url(): string {
    return this.#door.url
  }

  /** Base address of `/_faults` and `/_state`. */
  get controlUrl(): string {
    return this.#controlDoor.url
  }

  /** All effects in the order in which they happened. */
  get arrivals(): readonly Arrival[] {
    return this.#book.arrivals
  }

  /** What it holds now. */
  get documents(): readonly Document[] {
    return this.#book.documents
  }

  /** How many requests met which fault. */
  get hits(): Readonly<Record<FaultKind, number>> {
    return this.#hits
  }

  async start(): Promise<void> {
    await this.#door.open()
    await this.#controlDoor.open()
    if (this.#faults.down) await this.#door.shut()
  }

  async stop(): Promise<void> {
    await Promise.all([this.#door.shut(), this.#controlDoor.shut()])
  }

  /** Changes what is wrong; what is not named stays. */
  async setFaults(faults: Partial<Faults>): Promise<void> {
    this.#faults = { ...this.#faults, ...faults }
    await (this.#faults.down ? this.#door.shut() : this.#door.open())
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    if (url.pathname.startsWith('/_')) return this.#control(request, response)
    const raw = await readBody(request)
    if (!raw) return void request.socket.destroy()
    const call = { ...callOf(request, url), body: parseJson(raw) }
    const faults = this.#faults
    const luck = this.#luckOf(call)
    await sleep(between(latencyMs, luck) + faults.slowMs)
    if (this.#faults.down) return void request.socket.destroy()
    this.#answer({ call, fault: faultOf(faults, luck) }, response)
  }

  #answer(
    { call, fault }: { call: AnsweredCall; fault: FaultKind | undefined },
    response: ServerResponse,
  ): void {
    if (fault) this.#hits[fault]++
    if (fault === 'throttled') {
      response.setHeader('retry-after', this.#faults.retryAfterSeconds)
      return send(response, { status: 429, body: { status: 429, detail: 'too many requests' } })
    }
    if (fault === 'failing')
      return send(response, { status: 500, body: { status: 500, detail: 'internal error' } })
    const answer = this.#perform(call)
    if (fault === 'commitThenTimeout') return
    if (fault === 'lostResponse') return void response.socket?.resetAndDestroy()
    send(response, answer)
  }

  /** The first answer again for a key that is known; synchronous, so two requests with one key cannot both take effect. */
  #perform(call: AnsweredCall): Answer {
    if (!this.#kind.honoursKeys || call.key === undefined || call.method === 'GET')
      return this.#book.answer(call)
    const answer = this.#answered.get(call.key) ?? this.#book.answer(call)
    this.#answered.set(call.key, answer)
    return answer
  }

  #luckOf({ method, query, body }: Call): number {
    const { reference, revision } = { ...Object.fromEntries(query), ...(body as object | undefined) }
    const what = JSON.stringify([method, reference, revision])
    const times = (this.#times.get(what) ?? 0) + 1
    this.#times.set(what, times)
    return chance(this.#seed, this.name, what, times)
  }

  /** `GET /_state`; `POST /_faults` changes what it names, `DELETE /_faults` heals. */
  async #control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = (await readBody(request)) ?? Buffer.alloc(0)
    const call = `${request.method} ${request.url}`
    if (call === 'GET /_state') return send(response, { status: 200, body: this.#state() })
    if (call === 'DELETE /_faults') await this.setFaults(healthy)
    else if (call !== 'POST /_faults')
      return send(response, { status: 404, body: { detail: 'try GET /_state or POST /_faults' } })
    else {
      const wanted = Faults.partial().safeParse(parseJson(raw))
      if (!wanted.success)
        return send(response, { status: 400, body: { detail: z.prettifyError(wanted.error) } })
      await this.setFaults(wanted.data as Partial<Faults>)
    }
    send(response, { status: 200, body: this.#faults })
  }

  #state(): object {
    const { documents, arrivals } = this.#book
    return {
      name: this.name,
      faults: this.#faults,
      hits: this.#hits,
      [this.#kind.collection]: documents,
      arrivals,
    }
  }
}

function callOf(request: IncomingMessage, url: URL): Omit<AnsweredCall, 'body'> {
  const key = request.headers['idempotency-key']
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    key: typeof key === 'string' ? key : undefined,
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}

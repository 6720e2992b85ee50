import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type { Dispatcher, Pool } from 'undici'
import type { Abortable, UnderWay } from '../define/abortable.ts'
import type { Transport, TransportAnswer, TransportRequest } from '../define/system.ts'
import { BusbarError, CallError } from '../errors.ts'
import { withoutQuery } from './http-address.ts'

/** One request as it goes out. */
export type RawRequest = TransportRequest

/** One answer as it came. */
export interface RawAnswer extends TransportAnswer {
  /** Decompressed; at most `maxBytes`. */
  readonly body: Buffer
  /** There was more. */
  readonly cutOff: boolean
}

/** How to make an exchange. */
export interface ExchangeOptions extends UnderWay {
  readonly signal: AbortSignal
  readonly maxBytes: number
  /** The request is about to be written to a connection: from now on it may have reached the target, unless this throws. */
  onSent(): void
}

/** Makes one exchange. */
export type Exchange = (request: RawRequest, options: ExchangeOptions) => Promise<RawAnswer>

/** Exchanges over a transport instead of connections. */
export function exchangeOver(transport: Transport): Exchange {
  return async (request, options) => {
    const answer = await transport(request, {
      signal: options.signal,
      onSent: () => options.onSent(),
    })
    const cutOff = answer.body.length > options.maxBytes
    return { ...answer, body: cutOff ? answer.body.subarray(0, options.maxBytes) : answer.body, cutOff }
  }
}

/**
 * Sends one request and takes its answer. Rejects with a `CallError`: `unavailable` where no byte left, `unknown` where
 * the request may have had its effect (`transient` for GET and HEAD), `invalid` where the answer is not HTTP; and with what
 * `onSent` has thrown.
 */
export function exchange(pool: Pool, request: RawRequest, options: ExchangeOptions): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const handler = new ExchangeHandler(request, options, { resolve, reject })
    pool.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body ?? null,
      },
      handler,
    )
  })
}

/** Collects one answer; undici calls it. */
class ExchangeHandler implements Dispatcher.DispatchHandler, Abortable {
  readonly #request: RawRequest
  readonly #options: ExchangeOptions
  readonly #settle: { resolve: (answer: RawAnswer) => void; reject: (error: BusbarError) => void }
  readonly #chunks: Buffer[] = []
  #controller: Dispatcher.DispatchController | undefined
  #bytes = 0
  #cutOff = false
  #sent = false
  #status = 0
  #headers: RawAnswer['headers'] = {}

  constructor(
    request: RawRequest,
    options: ExchangeOptions,
    settle: { resolve: (answer: RawAnswer) => void; reject: (error: BusbarError) => void },
  ) {
    this.#request = request
    this.#options = options
    this.#settle = settle
    options.begun(this)
  }

  abort(): void {
    this.#controller?.abort(new Error('aborted'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#options.signal.aborted) return controller.abort(new Error('aborted'))
    try {
      this.#options.onSent()
      this.#sent = true
    } catch (error) {
      controller.abort(error as Error)
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: RawAnswer['headers'],
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes <= this.#options.maxBytes) {
      this.#chunks.push(chunk)
      return
    }
    this.#cutOff = true
    controller.abort(new Error('too large'))
  }

  onResponseEnd(): void {
    this.#options.ended(this)
    this.#answer()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#options.ended(this)
    if (this.#cutOff) return this.#answer()
    this.#settle.reject(failureOf(error, this.#request, this.#sent))
  }

  #answer(): void {
    try {
      const raw = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      const body = this.#cutOff ? raw : decompressed(raw, this.#headers, this.#options.maxBytes)
      this.#settle.resolve({
        status: this.#status,
        headers: this.#headers,
        body,
        cutOff: this.#cutOff,
      })
    } catch (error) {
      const message = `${nameOf(this.#request)} answered with a body that cannot be decompressed`
      this.#settle.reject(new CallError({ class: 'invalid', message, status: this.#status, cause: error }))
    }
  }
}

/** busbar never asks for compression, yet some send it; bounded, so that a small body cannot become a huge one. */
function decompressed(body: Buffer, headers: RawAnswer['headers'], maxOutputLength: number): Buffer {
  switch (headers['content-encoding']) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(body, { maxOutputLength })
    case 'deflate':
      return inflateSync(body, { maxOutputLength })
    case 'br':
      return brotliDecompressSync(body, { maxOutputLength })
    default:
      return body
  }
}

/** Answers that will be no better next time: a protocol error of the server, not of the network. */
const notHttp = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_HEADERS_OVERFLOW'])

/** What a broken exchange says about its effect. */
function failureOf(error: Error, request: RawRequest, sent: boolean): BusbarError {
  if (error instanceof BusbarError) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const what = nameOf(request)
  if (code.startsWith('HPE_') || notHttp.has(code))
    return new CallError({
      class: 'invalid',
      message: `${what}: the answer is not valid HTTP (${code})`,
      vendorCode: code,
      cause: error,
    })
  if (code === 'UND_ERR_INVALID_ARG')
    return new CallError({ class: 'invalid', message: `${what}: ${error.message}`, cause: error })
  if (!sent)
    return new CallError({
      class: 'unavailable',
      message: `${what}: no connection (${code || error.message})`,
      cause: error,
    })
  return new CallError({
    class: isSafe(request.method) ? 'transient' : 'unknown',
    message: `${what}: the connection broke before the answer (${code || error.message})`,
    cause: error,
  })
}

/** RFC 9110 9.2.1: safe methods change nothing at the target. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

function nameOf({ method, path }: RawRequest): string {
  return `${method} ${withoutQuery(path)}`
}

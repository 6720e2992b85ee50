/** Receivers of alerts that are real: HTTP and SMTP servers on loopback. */
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** One request that came. */
export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly raw: Buffer
}

/** An HTTP receiver; `answer` decides, by default 204. */
export class Receiver {
  readonly got: Received[] = []
  answer: (
    received: Received,
  ) => { readonly status: number; readonly headers?: Record<string, string> } | 'never' = () => ({
    status: 204,
  })
  readonly #server: Server

  constructor() {
    this.#server = createServer((incoming, reply) => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.on('end', () => {
        const received = { headers: incoming.headers, raw: Buffer.concat(parts) }
        this.got.push(received)
        const answer = this.answer(received)
        if (answer !== 'never') reply.writeHead(answer.status, answer.headers).end()
      })
    })
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/secret-path`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** A mail server that takes what `postman`, with the password `pass-word-1`, sends; `refuse` makes it answer so. */
export class MailServer {
  readonly mails: { readonly to: string[]; readonly text: string }[] = []
  refuse: { readonly code: number; readonly message: string } | undefined
  readonly #server: SMTPServer

  constructor() {
    this.#server = new SMTPServer({
      authOptional: false,
      allowInsecureAuth: true,
      hideSTARTTLS: true,
      onAuth: ({ username, password }, _session, done) =>
        username === 'postman' && password === 'pass-word-1'
          ? done(null, { user: username })
          : done(new Error('no')),
      onData: (stream, session, done) => {
        const parts: Buffer[] = []
        stream.on('data', (part: Buffer) => parts.push(part))
        stream.on('end', () => {
          if (this.refuse)
            return done(Object.assign(new Error(this.refuse.message), { responseCode: this.refuse.code }))
          this.mails.push({
            to: session.envelope.rcptTo.map(({ address }) => address),
            text: Buffer.concat(parts).toString(),
          })
          done()
        })
      },
    })
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.server.address() as AddressInfo).port
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

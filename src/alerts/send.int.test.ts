import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { emailChannel } from '../define/alerts.ts'
import { sendAlert } from './send.ts'

let server: Server | undefined
const open = new Set<Socket>()
afterEach(async () => {
  for (const socket of open) socket.destroy()
  await new Promise((resolve) => server?.close(resolve))
})

/** A mail server that greets, and then never comes to the end of its answer. */
async function dripping(): Promise<number> {
  server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.write('220 mail.example.com\r\n')
    socket.once('data', () => {
      const timer = setInterval(() => socket.write('250-MORE\r\n'), 20)
      socket.once('close', () => clearInterval(timer))
    })
    socket.once('close', () => open.delete(socket))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

const message = { id: 'm1', hub: 'shop', at: '2026-01-31T12:00:00.000Z', test: true, changes: [] }
const channel = (port: number) =>
  emailChannel({
    name: 'office',
    smtp: { host: '127.0.0.1', port, requireTls: false },
    from: 'busbar@example.com',
    to: ['one@example.com'],
  })
const send = async (options: { readonly timeoutMs: number; readonly signal: AbortSignal }) =>
  sendAlert(channel(await dripping()), message, { consoleUrl: undefined, ...options })
const untilClosed = async () => {
  for (const socket of open) await new Promise((resolve) => socket.once('close', resolve))
}

it('gives a mail up after its time in all, also at a server that goes on talking, and closes the connection', async () => {
  const begin = performance.now()
  expect(await send({ timeoutMs: 300, signal: new AbortController().signal })).toEqual({
    kind: 'later',
    error: 'it did not answer in time',
  })
  expect(performance.now() - begin).toBeGreaterThan(290)
  await untilClosed()
})

it('gives a mail up when the process ends', async () => {
  const ends = new AbortController()
  const sending = send({ timeoutMs: 60_000, signal: ends.signal })
  while (open.size === 0) await new Promise((resolve) => setImmediate(resolve))
  ends.abort()
  expect(await sending).toEqual({ kind: 'later', error: 'the process ended meanwhile' })
  await untilClosed()
})

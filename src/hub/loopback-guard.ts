import type { FastifyInstance } from 'fastify'
import { BusbarError } from '../errors.ts'
import { sendProblem } from '../ingress/problem.ts'

const loopbackNames = new Set(['localhost', '127.0.0.1', '::1'])

/** Whether a host to listen on is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return loopbackNames.has(host) || host.endsWith('.localhost')
}

/**
 * A server on loopback that asks for no keys answers only to loopback names: otherwise any web page could have its own
 * name resolve to this machine (DNS rebinding) and read or act through a browser here.
 */
export function guardLoopback(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { host = '' } = request.headers
    const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
    if (isLoopback(name)) return done()
    const why = `this busbar asks for no API keys, so it answers to localhost only, not to "${name.slice(0, 80)}"`
    void sendProblem(reply, new BusbarError('request.forbidden', why))
  })
}

import type { FastifyInstance } from 'fastify'
import type { AccessSettings } from '../define/access-config.ts'
import { isSecure } from './gate.ts'

/** A year: the least that browsers' own lists ask for. */
const value = `max-age=${365 * 86_400}`

/**
 * Tells browsers that this host is reached by TLS alone (Strict-Transport-Security, RFC 6797), in every answer, where they
 * speak TLS to us or to the proxy before us, or `access.url` says that they do. Other names of the domain are not ours to bind.
 */
export function registerTransportSecurity(app: FastifyInstance, settings: AccessSettings): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (isSecure(request, settings)) reply.header('strict-transport-security', value)
    done(null, payload)
  })
}

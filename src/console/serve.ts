import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import serveFiles from '@fastify/static'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BusbarError } from '../errors.ts'
import { sendProblem } from '../ingress/problem.ts'

/** Where the console's pages are; each is the same document, in which the address picks the page. */
export const consolePages = [
  '/',
  '/problems',
  '/bulk',
  '/objects',
  '/runs',
  '/map',
  '/events',
  '/systems',
  '/replays',
  '/operations',
  '/audit',
  '/settings',
  '/docs',
  '/more',
  '/sign-in',
  '/welcome',
] as const

/** Only what busbar itself serves runs, is shown and is asked; nobody puts the console into a frame. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  // No text becomes markup or code, and no policy may say otherwise: neither the console nor what it stands on needs one.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const safety = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
} as const

/** Beside this module in the package; in a checkout, where the console is built. */
const folders = ['files/', '../../console/dist/'].map((path) => fileURLToPath(new URL(path, import.meta.url)))

/**
 * Serves the console: its pages to browsers, and its files, with a strict content security policy. Where it was not built, its
 * pages say so. Names of files hold a hash of what is in them, so they are kept for a year; the document is asked for anew.
 */
export function registerConsole(app: FastifyInstance): void {
  void app.register(async (pages) => {
    pages.addHook('onSend', async (_request, reply) => void reply.headers(safety))
    const folder = folders.find((each) => existsSync(`${each}index.html`))
    if (folder !== undefined)
      await pages.register(serveFiles, {
        root: folder,
        index: false,
        wildcard: false,
        preCompressed: true,
        setHeaders: (reply, path) => void reply.header('cache-control', keepFor(path)),
      })
    const show = (request: FastifyRequest, reply: FastifyReply) => page(request, reply, folder !== undefined)
    for (const path of consolePages) {
      const paths = path === '/' ? [path] : [path, `${path}/*`]
      for (const each of paths) pages.get(each, { config: { isPage: true } }, show)
    }
  })
}

function page(request: FastifyRequest, reply: FastifyReply, isBuilt: boolean): FastifyReply {
  if (!(request.headers.accept ?? '').includes('text/html'))
    return sendProblem(
      reply,
      new BusbarError(
        'request.not-found',
        'this is a page of the console, for browsers; the API is below /api/v1',
      ),
    )
  if (!isBuilt)
    return reply.code(503).type('text/plain').send('The console is not built here: npm run console:build\n')
  return reply.sendFile('index.html')
}

function keepFor(path: string): string {
  return path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
}

import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { consolePages, registerConsole } from '../../src/console/serve.ts'
import { registerProblems } from '../../src/ingress/problem.ts'

const app = Fastify()
registerProblems(app)
registerConsole(app)
const html = { accept: 'text/html' }

it('every page of the console is served to browsers, with a policy that lets nothing of others run', async () => {
  const router = readFileSync('console/src/router.tsx', 'utf8')
  const declared = [...router.matchAll(/^ {2}'(\/[a-z-]*)/gm)].map(([, path = '']) => path)
  expect(declared.length).toBeGreaterThan(10)
  for (const path of declared) expect(consolePages).toContain(path)
  for (const path of consolePages) {
    const answer = await app.inject({ url: path, headers: html })
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toContain('<div id="root">')
    const policy = String(answer.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).toContain("require-trusted-types-for 'script'; trusted-types 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
  }
})

it('programs that ask for a page are told where the API is', async () => {
  const answer = await app.inject({ url: '/events', headers: { accept: '*/*' } })
  expect([answer.statusCode, answer.json<{ detail: string }>().detail]).toEqual([
    404,
    'this is a page of the console, for browsers; the API is below /api/v1',
  ])
})

it('files are compressed and kept; the document is asked for anew', async () => {
  const document = await app.inject({ url: '/', headers: html })
  expect(document.headers['cache-control']).toBe('no-cache')
  const [, script = ''] = /src="(\/assets\/index-[^"]+\.js)"/.exec(document.body) ?? []
  const file = await app.inject({ url: script, headers: { 'accept-encoding': 'br' } })
  expect([file.statusCode, file.headers['content-encoding']]).toEqual([200, 'br'])
  expect(file.headers['cache-control']).toContain('immutable')
  expect((await app.inject({ url: '/assets/../../package.json' })).statusCode).toBe(404)
})

it('starts with at most 250 KB of compressed JavaScript', async () => {
  const { body } = await app.inject({ url: '/', headers: html })
  const scripts = [...body.matchAll(/(?:src|href)="(\/[^"]+\.js)"/g)].map(([, path = '']) => path)
  let bytes = 0
  for (const path of scripts)
    bytes += (await app.inject({ url: path, headers: { 'accept-encoding': 'gzip' } })).rawPayload.length
  expect(bytes).toBeGreaterThan(10_000)
  expect(bytes).toBeLessThan(250_000)
})

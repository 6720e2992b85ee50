import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { accessSettings } from '../define/access-config.ts'
import { registerTransportSecurity } from './transport-security.ts'

/** What an answer says of TLS, for a request with these headers. */
async function said(url: string | undefined, headers: Record<string, string> = {}): Promise<unknown> {
  const app = Fastify({ trustProxy: true })
  registerTransportSecurity(app, accessSettings(url === undefined ? {} : { url }))
  app.get('/', async () => 'ok')
  return (await app.inject({ url: '/', headers })).headers['strict-transport-security']
}

it('a host that people reach by TLS is to be reached by TLS alone', async () => {
  expect(await said('https://busbar.test')).toBe('max-age=31536000')
  expect(await said(undefined, { 'x-forwarded-proto': 'https' })).toBe('max-age=31536000')
})

it('one that is reached without says nothing of it', async () => {
  expect(await said(undefined)).toBeUndefined()
  expect(await said('http://busbar.test', { 'x-forwarded-proto': 'https' })).toBeUndefined()
})

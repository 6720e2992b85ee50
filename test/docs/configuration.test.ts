import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as busbar from '../../src/index.ts'

const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')

it.each(Object.keys(busbar))('docs/configuration.md speaks of %s', (name) => {
  expect(text).toMatch(new RegExp(`\\b${name}\\b`))
})

it('docs/configuration.md tells the defaults that the code has', () => {
  const config = busbar.defineConfig({ flows: [] })
  expect(config).toMatchObject({
    name: 'busbar',
    journal: { kind: 'embedded', folder: '.busbar' },
    http: { host: '127.0.0.1', port: 7070, maxBodyBytes: 1_048_576, maxDepth: 64, unauthenticated: false },
  })
  expect(config.http.maxPending).toEqual({ events: 10_000, bytes: 64 * 1_048_576 })
  const { settings } = busbar.httpSystem({ name: 'x', baseUrl: 'https://x.example' })
  expect(settings).toMatchObject({
    concurrency: 16,
    timeoutMs: 30_000,
    settleMs: 30_000,
    keyLifeMs: 24 * 3_600_000,
    breaker: {
      consecutiveFailures: 5,
      failureRatio: 0.5,
      minimumCalls: 20,
      probeDelayMs: 500,
      maxProbeDelayMs: 10_000,
    },
  })
})

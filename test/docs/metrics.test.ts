import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'

const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')

it('docs/metrics.md lists each metric with its type and labels, and no other', async () => {
  const metrics = createMetrics(
    async () => ({
      groups: [{ group: 'g', pending: 1, oldestSeconds: 1 }],
      systems: [{ system: 's', breaker: 'open' }],
      parked: [{ flow: 'f', count: 1 }],
      outbox: { waiting: 1, oldestSeconds: 1, rejected: 1 },
      expectations: [{ name: 'e', open: 1, overdue: 1 }],
      relay: { behind: 1, oldestSeconds: 1 },
    }),
    () => ({ connected: true, partitions: [{ group: 'g', part: 0, carries: true }] }),
  )
  metrics.attempt({ flow: 'f', system: 's', outcome: 'succeeded', ms: 1 })
  metrics.run({ flow: 'f', outcome: 'succeeded' })
  metrics.refused('event.invalid')
  metrics.source('s').taken('stored')
  metrics.outbox({ moved: 1, rejected: ['event.invalid'] })
  const exposed = await metrics.text()
  const actual = [...exposed.matchAll(/^# TYPE (busbar_\S+) (\S+)/gm)].map(([, name = '', type = '']) => {
    const sample = new RegExp(`^${name}(?:_bucket|_count|_sum)?\\{([^}]*)\\}`, 'm').exec(exposed)?.[1] ?? ''
    const labels = sample.split(',').map((label) => label.split('=')[0])
    return `${name} ${type} ${labels.filter((label) => label !== '' && label !== 'le').join(', ')}`
  })
  const documented = [...text.matchAll(/^\| `(busbar_\w+)` +\| (\w+) +\| ([^|]*)\|/gm)].map(
    ([, name, type, labels]) => `${name} ${type} ${(labels ?? '').replaceAll('`', '').trim()}`,
  )
  expect(documented).toEqual(actual)
})

it('docs/metrics.md alerts on metrics that there are', () => {
  const listed = new Set([...text.matchAll(/^\| `(busbar_\w+)` +\|/gm)].map(([, name]) => name))
  const alerts = text.slice(text.indexOf('## Alerts'), text.indexOf('## Health'))
  const used = [...alerts.matchAll(/busbar_\w+/g)].map(([name]) => name)
  expect(used.length).toBeGreaterThan(4)
  expect(used.filter((name) => !listed.has(name))).toEqual([])
})

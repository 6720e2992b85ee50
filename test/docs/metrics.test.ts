import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { sampleMetrics } from './sample-metrics.ts'

const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')

it('docs/metrics.md lists each metric with its type and labels, and no other', async () => {
  const metrics = sampleMetrics()
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

it('docs/metrics.md says of each alert what it means, and of no other', () => {
  const rules = readFileSync(new URL('../../deploy/prometheus/busbar.rules.yml', import.meta.url), 'utf8')
  const alerts = text.slice(text.indexOf('## Alerts'), text.indexOf('## Dashboards'))
  const told = [...alerts.matchAll(/`(Busbar\w+)`/g)].map(([, name]) => name)
  expect(told.sort()).toEqual([...rules.matchAll(/alert: (\w+)/g)].map(([, name]) => name).sort())
})

import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { root } from './texts.ts'

const folder = `${root}deploy/prometheus`
const read = (path: string): unknown => parse(readFileSync(join(folder, path), 'utf8'))
const rules = read('busbar.rules.yml') as {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[]
}
const tests = globSync('tests/*.test.yml', { cwd: folder }).map((name) => read(name)) as readonly {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string
      readonly exp_alerts: readonly object[]
    }[]
  }[]
}[]

/**
 * promtool, from the path or out of Debian's package `prometheus`, which is unpacked and not installed: no server starts.
 * Undefined with the reason printed where neither is to be had.
 */
function promtool(): string | undefined {
  const installed = spawnSync('promtool', ['--version'])
  if (installed.status === 0) return 'promtool'
  const home = mkdtempSync(join(tmpdir(), 'busbar-promtool-'))
  const got = spawnSync('sh', ['-c', 'apt-get download prometheus && dpkg-deb -x prometheus_*.deb .'], {
    cwd: home,
  })
  const unpacked = join(home, 'usr/bin/promtool')
  if (got.status === 0 && existsSync(unpacked)) return unpacked
  console.warn(
    `promtool is not here, and apt-get does not have it: ${String(got.stderr ?? got.error).slice(0, 200)}`,
  )
  return undefined
}

const tool = promtool()

function run(...args: string[]): { readonly ok: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(tool ?? '', args, { cwd: folder, encoding: 'utf8' })
  return { ok: status === 0, output: stdout + stderr }
}

it('each alert is tested firing and not firing', () => {
  const alerts = rules.groups.flatMap((group) => group.rules.map(({ alert }) => alert))
  const checks = tests.flatMap((file) => file.tests.flatMap((test) => test.alert_rule_test))
  const missing = alerts.filter((alert) => {
    const own = checks.filter(({ alertname }) => alertname === alert)
    return (
      !own.some(({ exp_alerts }) => exp_alerts.length > 0) ||
      !own.some(({ exp_alerts }) => exp_alerts.length === 0)
    )
  })
  expect(missing).toEqual([])
  expect(new Set(alerts).size).toBe(alerts.length)
})

it.skipIf(tool === undefined)('promtool reads the configuration and the rules', () => {
  expect(run('check', 'config', 'prometheus.yml')).toMatchObject({ ok: true })
  expect(run('check', 'rules', 'busbar.rules.yml')).toMatchObject({ ok: true })
})

it.skipIf(tool === undefined)(
  'each alert fires when it should and not otherwise, as promtool sees it',
  () => {
    const result = run('test', 'rules', ...globSync('tests/*.test.yml', { cwd: folder }))
    expect(result.output).toContain('SUCCESS')
    expect(result.ok).toBe(true)
  },
)

it.skipIf(tool === undefined)('and promtool would say if one did not', () => {
  const own = mkdtempSync(join(tmpdir(), 'busbar-rules-'))
  mkdirSync(join(own, 'tests'))
  const wrong = readFileSync(join(folder, 'busbar.rules.yml'), 'utf8').replace(
    'busbar_breaker_state) > 0',
    'busbar_breaker_state) > 1',
  )
  writeFileSync(join(own, 'busbar.rules.yml'), wrong)
  writeFileSync(join(own, 'tests/t.yml'), readFileSync(join(folder, 'tests/busbar.rules.test.yml')))
  const result = run('test', 'rules', join(own, 'tests/t.yml'))
  expect(result.ok).toBe(false)
  expect(result.output).toContain('BusbarSystemCutOff')
})

it.skipIf(tool === undefined)('each query of each dashboard is one', () => {
  const own = mkdtempSync(join(tmpdir(), 'busbar-dashboards-'))
  const queries = globSync('deploy/grafana/dashboards/*.json', { cwd: root }).flatMap((name) => {
    const { panels } = JSON.parse(readFileSync(root + name, 'utf8')) as {
      readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[]
    }
    return panels.flatMap(({ targets }) =>
      targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '1m')),
    )
  })
  const asRules = queries.map((expr, index) => ({ record: `query:${index}`, expr }))
  writeFileSync(join(own, 'rules.yml'), JSON.stringify({ groups: [{ name: 'queries', rules: asRules }] }))
  expect(queries.length).toBeGreaterThan(50)
  expect(run('check', 'rules', join(own, 'rules.yml'))).toMatchObject({ ok: true })
})

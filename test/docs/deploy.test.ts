import { globSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { createProgram } from '../../src/cli/cli.ts'
import { httpSettings } from '../../src/define/http-config.ts'
import { durationMs } from '../../src/define/duration.ts'
import type { Duration } from '../../src/define/duration.ts'
import { rolesOf, roleNamesOf } from '../../src/define/roles.ts'
import type { RoleName } from '../../src/define/roles.ts'
import { sampleMetrics } from './sample-metrics.ts'
import { root } from './texts.ts'

const read = (path: string) => readFileSync(`${root}deploy/${path}`, 'utf8')

interface Service {
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, unknown>>
  readonly volumes?: readonly string[]
  readonly stop_grace_period?: Duration
  readonly ports?: readonly string[]
}
const compose = parse(read('compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: object
}

interface Container {
  readonly args: readonly string[]
  readonly ports?: readonly { readonly containerPort: number }[]
  readonly env: readonly { readonly name: string }[]
}
interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: object
  readonly spec: {
    readonly template?: {
      readonly spec: {
        readonly containers: readonly Container[]
        readonly terminationGracePeriodSeconds?: number
      }
    }
    readonly triggers?: readonly { readonly metadata: { readonly query: string } }[]
  }
}
const resources = globSync('*.yaml', { cwd: `${root}deploy/kubernetes` })
  .filter((name) => name !== 'kustomization.yaml')
  .flatMap((name) => parseAllDocuments(read(`kubernetes/${name}`)).map((each) => each.toJS() as Resource))
const containers = resources.flatMap(({ spec }) => spec?.template?.spec.containers ?? [])

/** The command lines of busbar in both, as lists of words without the first one. */
const commands = [
  ...Object.values(compose.services).map(({ command }) => command ?? []),
  ...containers.map(({ args }) => args),
]
  .filter(([program]) => program === 'busbar')
  .map(([, ...words]) => words)
const starts = commands.filter(([command]) => command === 'start')
const config = read('example/busbar.config.ts')
const drainMs = durationMs(/drain: '([^']+)'/.exec(config)?.[1] as Duration)
/** What running attempts get, of docs/operations.md, and some room. */
const enoughMs = drainMs + 25_000 + 5_000

const asked = resources.flatMap(({ spec }) => (spec?.triggers ?? []).map(({ metadata }) => metadata.query))

it('autoscaling asks for metrics that there are', async () => {
  const text = await sampleMetrics().text()
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
  const names = asked.flatMap((query) => query.match(/\b(busbar|process|nodejs)_\w+/g) ?? [])
  expect(names.length).toBeGreaterThan(1)
  expect(
    names.filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|count|sum)$/, ''))),
  ).toEqual([])
})

it('every command of busbar in compose.yaml and kubernetes/ is one', async () => {
  const idle = (command: Command): Command => {
    command.exitOverride().configureOutput({ writeErr: () => undefined })
    if (command.commands.length === 0) command.action(() => undefined)
    command.commands.forEach(idle)
    return command
  }
  expect(commands.length).toBeGreaterThan(8)
  const terminal = { out: () => undefined, err: () => undefined, colour: false, width: Infinity }
  for (const words of commands) await idle(createProgram(terminal)).parseAsync(words, { from: 'user' })
})

it('the roles of the processes are roles, and all of them are there', () => {
  const facts = { journal: { kind: 'postgres' }, transport: { kind: 'rabbitmq' } } as const
  const given = starts.map((words) => words[words.indexOf('--role') + 1]?.split(',') as RoleName[])
  const chosen = given.map((names) => rolesOf(roleNamesOf('--role', names), facts))
  for (const half of [chosen.slice(0, 4), chosen.slice(4)])
    expect(new Set(half.flatMap((roles) => [...roles]))).toEqual(rolesOf(['all'], facts))
})

it('all say the port that the configuration says', () => {
  const port = httpSettings({ port: Number(/port: (\d+)/.exec(config)?.[1]) }).port
  const said = [
    ...[...read('Dockerfile').matchAll(/(?:EXPOSE |127\.0\.0\.1:)(\d+)/g)].map(([, each]) => Number(each)),
    ...[...read('Caddyfile').matchAll(/ingress-\d:(\d+)/g)].map(([, each]) => Number(each)),
    ...[...read('prometheus/prometheus.yml').matchAll(/^\s+port: (\d+)/gm)].map(([, each]) => Number(each)),
    ...(compose.services['console']?.ports ?? []).map((each) => Number(each.split(':').at(-1))),
    ...containers.flatMap(({ ports }) => (ports ?? []).map(({ containerPort }) => containerPort)),
    ...[...read('kubernetes/network.yaml').matchAll(/port: (\d+)/g)].map(([, each]) => Number(each)),
  ]
  expect(said.length).toBeGreaterThan(9)
  expect(said.filter((each) => each !== port)).toEqual([])
})

it('a process has longer to end than it may take', () => {
  const inCompose = Object.values(compose.services)
    .filter(({ command }) => command?.[1] === 'start')
    .map(({ stop_grace_period: grace }) => durationMs(grace ?? 0))
  const inKubernetes = resources
    .filter(({ kind }) => kind === 'Deployment')
    .map(({ spec }) => (spec.template?.spec.terminationGracePeriodSeconds ?? 0) * 1_000)
  expect([...inCompose, ...inKubernetes]).toHaveLength(7)
  for (const ms of [...inCompose, ...inKubernetes]) expect(ms).toBeGreaterThanOrEqual(enoughMs)
})

it('every setting that the example needs is given, in compose.yaml and in kubernetes/', () => {
  const needed = [...read('example/env.ts').matchAll(/setting\('(\w+)'\)/g)].map(([, name = '']) => name)
  expect(needed).toEqual(['DATABASE_URL', 'AMQP_URL', 'ERP_URL'])
  for (const { command, environment } of Object.values(compose.services))
    if (command?.[0] === 'busbar')
      expect(Object.keys(environment ?? {})).toEqual(expect.arrayContaining(needed))
  const shared = Object.keys(resources.find(({ kind }) => kind === 'ConfigMap')?.data ?? {})
  for (const { env } of containers) {
    const given = [...shared, ...env.map(({ name }) => name.replace(/_FILE$/, ''))]
    expect(given).toEqual(expect.arrayContaining(needed))
  }
})

it('every password of compose.yaml must be given, and .env.example names it without a value', () => {
  const text = read('compose.yaml')
  const names = new Set([...text.matchAll(/\$\{(\w*PASSWORD)/g)].map(([, name = '']) => name))
  expect([...text.matchAll(/\$\{\w*PASSWORD(?!:\?)/g)]).toEqual([])
  const empty = [...read('.env.example').matchAll(/^(\w+)=$/gm)].map(([, name = '']) => name)
  expect(empty.sort()).toEqual([...names].sort())
})

it('what compose.yaml mounts and waits for is there', () => {
  const known = [...Object.keys(compose.services), ...Object.keys(compose.volumes)]
  const missing: string[] = []
  for (const { volumes = [], depends_on: after = {} } of Object.values(compose.services)) {
    for (const each of Object.keys(after)) if (!known.includes(each)) missing.push(each)
    for (const each of volumes) {
      const [source = ''] = each.replace(/^\$\{\w+:-([^}]+)\}/, '$1').split(':')
      const isThere = source.startsWith('.')
        ? globSync(source, { cwd: `${root}deploy` }).length > 0
        : known.includes(source)
      if (!isThere) missing.push(source)
    }
  }
  expect(missing).toEqual([])
})

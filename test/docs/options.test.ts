import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'
import { retryPolicy } from '../../src/define/retry-policy.ts'
import { root } from './texts.ts'

const text = readFileSync(join(root, 'docs/configuration.md'), 'utf8')

/** Names of the members of an interface, as its file declares them. */
function membersOf(file: string, name: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest)
  const found = source.statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  )
  return (found?.members ?? []).flatMap(({ name: member }) =>
    member && ts.isIdentifier(member) ? [member.text] : [],
  )
}

it.each([
  ['src/define/config.ts', 'ConfigOptions'],
  ['src/define/http-config.ts', 'HttpConfig'],
  ['src/define/outbox-config.ts', 'OutboxConfig'],
  ['src/define/flow.ts', 'FlowOptions'],
  ['src/define/ordering.ts', 'SequenceOrdering'],
  ['src/define/echo.ts', 'EchoOptions'],
  ['src/define/echo.ts', 'Written'],
  ['src/define/step.ts', 'StepOptions'],
  ['src/define/step.ts', 'StepConditions'],
  ['src/define/step.ts', 'StepInput'],
  ['src/define/step.ts', 'StepFacts'],
  ['src/define/step.ts', 'WaitOptions'],
  ['src/define/step.ts', 'WaitForOptions'],
  ['src/define/step.ts', 'ApproveOptions'],
  ['src/define/retry-policy.ts', 'RetryOptions'],
  ['src/define/system.ts', 'SystemOptions'],
  ['src/define/system.ts', 'SystemLimits'],
  ['src/define/system.ts', 'BreakerOptions'],
  ['src/systems/http.ts', 'HttpSystemOptions'],
  ['src/hub/public.ts', 'HubOptions'],
  ['src/ingress/publish.ts', 'PublishOptions'],
  ['src/ingress/publish-in-transaction.ts', 'TransactionOptions'],
  ['src/ingress/publish-in-transaction.ts', 'PublishInTransactionOptions'],
])('docs/configuration.md names every member of %s %s', (file, name) => {
  const members = membersOf(file, name)
  expect(members.length).toBeGreaterThan(0)
  // As code, alone or among others: `name`, `limits.rate`, `{ id, source }`.
  const code = [...text.matchAll(/`[^`\n]+`/g)].join(' ')
  expect(members.filter((member) => !new RegExp(`\\b${member}\\b`).test(code))).toEqual([])
})

it.each([
  ['src/rabbitmq/source.ts', 'AmqpSourceOptions'],
  ['src/rabbitmq/system.ts', 'AmqpSystemOptions'],
  ['src/rabbitmq/call.ts', 'AmqpPublishOptions'],
  ['src/rabbitmq/connection.ts', 'BrokerOptions'],
  ['src/rabbitmq/transport.ts', 'RabbitmqOptions'],
])('docs/rabbitmq.md names every member of %s %s', (file, name) => {
  const page = readFileSync(join(root, 'docs/rabbitmq.md'), 'utf8')
  const members = membersOf(file, name)
  expect(members.length).toBeGreaterThan(0)
  expect(members.filter((member) => !page.includes(`| \`${member}\``))).toEqual([])
})

it.each([
  ['src/define/expectation.ts', 'ExpectationOptions'],
  ['src/define/business-hours.ts', 'BusinessHours'],
])('docs/expectations.md names every member of %s %s', (file, name) => {
  const page = readFileSync(join(root, 'docs/expectations.md'), 'utf8')
  const members = membersOf(file, name)
  expect(members.length).toBeGreaterThan(0)
  expect(members.filter((member) => !page.includes(`| \`${member}\``))).toEqual([])
})

it('docs/configuration.md tells the defaults of retries', () => {
  expect(retryPolicy({})).toEqual({ firstMs: 1_000, factor: 2, capMs: 900_000, attempts: 300 })
  for (const row of [
    /`retry.first` +\| `'1s'`/,
    /`retry.factor` +\| 2 /,
    /`retry.cap` +\| `'15m'`/,
    /`retry.attempts` +\| 300 /,
  ])
    expect(text).toMatch(row)
})

it('docs/configuration.md names every variable of the environment that busbar reads', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('testing/'))
    .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
  const read = files.flatMap((code) =>
    [...code.matchAll(/\benv\['([A-Z_]+)'\]/g)].map(([, name = '']) => name),
  )
  const examples = ['ERP_URL', 'DATABASE_URL'] // of the project that `busbar init` writes
  expect(read).toContain('BUSBAR_URL')
  expect(
    [...new Set(read)].filter((name) => !examples.includes(name) && !text.includes(`\`${name}\``)),
  ).toEqual([])
})

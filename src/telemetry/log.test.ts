import { ecsFormat } from '@elastic/ecs-pino-format'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { keepSecret } from '../define/secrets.ts'
import { BusbarError } from '../errors.ts'
import type { Log } from './log.ts'
import { createLog } from './log.ts'

/** What is written to the log as one line. */
function lineOf(log: (to: { write: (line: string) => void }) => Log, write: (log: Log) => void) {
  const lines: string[] = []
  write(log({ write: (line) => lines.push(line) }))
  expect(lines).toHaveLength(1)
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>
}
const ecs = (write: (log: Log) => void) => lineOf((to) => createLog('debug', { format: 'ecs', to }), write)

/** Sets of fields of the Elastic Common Schema that busbar uses; anything else at the top would take a field's place. */
const known = /^(@timestamp|message|(log|ecs|service|process|error|event|url)\.[a-z_.]+|busbar)$/

const attempt = {
  event: 'e-1',
  seq: 7,
  flow: 'book',
  key: 'SO-1',
  system: 'erp',
  step: 'sale',
  attempt: 1,
  outcome: 'transient',
  ms: 12,
  code: 'call.transient',
  error: 'answered with 503',
}

it('an attempt in the Elastic Common Schema: its fields where they belong, the rest below busbar', () => {
  const line = ecs((log) => log.info(attempt, 'attempt'))
  expect(line).toMatchObject({
    'log.level': 'info',
    'ecs.version': '8.11.0',
    'service.name': 'busbar',
    message: 'attempt',
    'event.outcome': 'failure',
    'event.duration': 12_000_000,
    'error.code': 'call.transient',
    'error.message': 'answered with 503',
    busbar: {
      event: 'e-1',
      seq: 7,
      flow: 'book',
      key: 'SO-1',
      system: 'erp',
      step: 'sale',
      attempt: 1,
      outcome: 'transient',
    },
  })
  expect(Object.keys(line).filter((name) => !known.test(name))).toEqual([])
  expect(new Date(String(line['@timestamp'])).toISOString()).toBe(line['@timestamp'])
})

it("an error has the fields that Elastic's own formatter gives it", () => {
  const error = new BusbarError('journal.unavailable', 'it does not answer')
  const ours = flat(ecs((log) => log.warn({ err: error, url: 'http://127.0.0.1:7070' }, 'trouble')))
  const theirs = flat(
    lineOf(
      (to) => pino(ecsFormat(), to),
      (log) => log.warn({ err: error }, 'trouble'),
    ),
  )
  const shared = ['log.level', 'message', 'error.message', 'process.pid']
  for (const name of shared) expect(ours[name], name).toEqual(theirs[name])
  expect(Object.keys(ours)).toEqual(expect.arrayContaining(['@timestamp', 'ecs.version', 'error.type']))
  expect(ours['error.code']).toBe('journal.unavailable')
  expect(ours['url.full']).toBe('http://127.0.0.1:7070')
})

it('in both formats, neither the row that a database refused nor a credential is in a line', () => {
  const refused = Object.assign(new Error('invalid input syntax for type json: "canary-row"'), {
    severity: 'ERROR',
  })
  keepSecret('canary-password')
  const unavailable = new BusbarError(
    'journal.unavailable',
    'postgres://busbar:canary-password@db/busbar is away',
    {
      cause: refused,
    },
  )
  for (const format of ['json', 'ecs'] as const) {
    const line = lineOf(
      (to) => createLog('info', { format, to }),
      (log) => log.warn({ err: unavailable }, 'trouble'),
    )
    expect(JSON.stringify(line)).not.toMatch(/canary/)
    expect(JSON.stringify(line)).toContain('is away')
  }
})

it('without being told otherwise, lines are as they were', () => {
  const line = lineOf(
    (to) => createLog('info', { to }),
    (log) => log.info(attempt, 'attempt'),
  )
  expect(line).toMatchObject({ ...attempt, level: 30, name: 'busbar', msg: 'attempt' })
})

it('the environment says it, too', () => {
  process.env['BUSBAR_LOG_FORMAT'] = 'ecs'
  try {
    expect(
      lineOf(
        (to) => createLog('info', { to }),
        (log) => log.info('hello'),
      ),
    ).toMatchObject({ message: 'hello' })
  } finally {
    delete process.env['BUSBAR_LOG_FORMAT']
  }
})

/** `{ a: { b: 1 } }` and `{ 'a.b': 1 }` are the same to Elasticsearch. */
function flat(line: Record<string, unknown>, under = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(line).flatMap(([name, value]) =>
      typeof value === 'object' && value !== null
        ? Object.entries(flat(value as Record<string, unknown>, `${under}${name}.`))
        : [[`${under}${name}`, value] as const],
    ),
  )
}

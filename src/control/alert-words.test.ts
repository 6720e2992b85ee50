import { describe, expect, it } from 'vitest'
import type { AlertChange } from './alert-words.ts'
import { headline, kindOf, subjectOf } from './alert-words.ts'

describe('what is told of a problem', () => {
  it.each([
    [null, 'open', 'new'],
    [null, 'person', 'person'],
    [null, 'resolved', undefined],
    ['open', 'person', 'person'],
    ['open', 'open', undefined],
    ['open', 'resolved', 'resolved'],
    ['open', 'quiet', undefined],
    ['person', 'open', undefined],
    ['person', 'resolved', 'resolved'],
    ['resolved', 'open', 'back'],
    ['resolved', 'person', 'back'],
  ] as const)('was told %s, is %s: %s', (told, standing, kind) => {
    expect(kindOf({ problem: '0123', told, standing })).toBe(kind)
  })

  it.each([
    [null, 'open', 'cut-off'],
    ['open', 'resolved', 'connected'],
    ['resolved', 'open', 'cut-off'],
    ['open', 'open', undefined],
  ] as const)('of a system that was told %s, is %s: %s', (told, standing, kind) => {
    expect(kindOf({ problem: 'system:erp', told, standing })).toBe(kind)
  })
})

const change: AlertChange = {
  kind: 'person',
  problem: '0123',
  system: 'erp',
  code: 'call.invalid',
  title: 'no tax code',
  sentence: [],
}

it('a message with one change says it in its subject', () => {
  expect(headline(change)).toBe('A person is needed at erp: no tax code')
  expect(subjectOf({ hub: 'shop', test: false, changes: [change] })).toBe(
    '[shop] A person is needed at erp: no tax code',
  )
})

it('a message with many counts them, and those that need a person', () => {
  const changes = [change, change, { ...change, kind: 'resolved' as const }]
  expect(subjectOf({ hub: 'shop', test: false, changes })).toBe(
    '[shop] 3 problems have changed, 2 need a person',
  )
})

import { expect, it } from 'vitest'
import { explainTry } from './explain-try.ts'
import type { TryFacts } from './explain-try.ts'
import { plain } from './sentence.ts'

const facts: TryFacts = {
  record: { key: 'SO-1', system: null, nowAt: '13:00', groupPaused: false, group: 'o2c', owner: 'w1' },
  step: { name: 'invoice', system: 'accounting' },
  declared: [
    { name: 'sale', after: [] },
    { name: 'invoice', after: ['sale'] },
    { name: 'shipment', after: ['invoice'] },
    { name: 'mail', after: ['shipment'] },
  ],
  edited: true,
  behind: 1,
}
const words = (over: Partial<TryFacts>) =>
  explainTry({ ...facts, ...over }).map((each) => plain(each, (at) => at))

it('says what is sent under which key, what follows it, and who waits behind it', () => {
  expect(words({})).toEqual([
    'invoice is sent to accounting under a new idempotency key',
    'then shipment, mail',
    'then 1 run of SO-1 that waits behind it',
  ])
  expect(words({ edited: false, behind: 0, step: { name: 'mail', system: null } })).toEqual([
    'mail is sent under the same idempotency key, so that nothing doubles where it is known',
  ])
})

it('says what keeps it from being sent at once', () => {
  const system = {
    name: 'accounting',
    paused: false,
    breaker: 'open' as const,
    reason: null,
    changedAt: '10:42',
    probeAt: '14:05',
    throttledUntil: null,
    maintainedUntil: null,
  }
  expect(words({ record: { ...facts.record, system } })[1]).toBe(
    'as soon as the system lets it: accounting is cut off since 10:42; next try 14:05',
  )
  expect(words({ record: { ...facts.record, owner: null } })[1]).toBe(
    'not before a worker runs lane group o2c: none lives',
  )
})

import { expect, it } from 'vitest'
import type { DealRun } from './deal-checker.ts'
import { judgeDeals } from './deal-checker.ts'
import type { DealRecord } from './sinks.ts'

const names = { sale: 'sales', invoice: 'invoices', shipment: 'shipments' } as const
type Step = keyof typeof names

function request(
  event: string,
  kind: DealRecord['kind'],
  step: Step,
  more: Partial<DealRecord> = {},
): DealRecord {
  const sink = names[step]
  const idempotencyKey = `${kind} ${sink} ${event}`
  return {
    sink,
    kind,
    event,
    idempotencyKey,
    at: 0,
    wall: 0,
    pid: 1,
    effect: true,
    document: `${sink}-${event}`,
    fault: '',
    ...more,
  }
}

function run(
  event: string,
  state: number,
  steps: Partial<Record<Step, number>>,
  more: Partial<DealRun> = {},
): DealRun {
  const rows = Object.entries(steps).map(([name, each]) => [name, { state: each, maybe: false }] as const)
  const compensating = state === 13
  return {
    event,
    state,
    compensating,
    behindParked: false,
    maybe: false,
    steps: Object.fromEntries(rows),
    ...more,
  }
}

const refused = { effect: false, document: '', fault: 'refusedForGood' }
const forward = (event: string, ...steps: Step[]) => steps.map((step) => request(event, 'create', step))
const requests = [
  ...forward('held-1', 'sale', 'invoice', 'shipment'),
  ...forward('undone-2', 'sale', 'invoice'),
  request('undone-2', 'create', 'shipment', refused),
  request('undone-2', 'undo', 'invoice', { fault: 'timeout' }),
  request('undone-2', 'look', 'invoice', { effect: false }),
  request('undone-2', 'undo', 'sale'),
  ...forward('held-3', 'sale'),
  request('held-3', 'create', 'invoice', refused),
]
const runs = [
  run('held-1', 10, { sale: 10, invoice: 10, shipment: 10 }),
  run('undone-2', 13, { sale: 12, invoice: 12, shipment: 4 }),
  run('held-3', 4, { sale: 10, invoice: 4 }),
  run('held-4', 1, {}, { behindParked: true }),
]
const deals = ['held-1', 'undone-2', 'held-3', 'held-4']

function violations(changes: { requests?: DealRecord[]; runs?: DealRun[] }): readonly string[] {
  return judgeDeals({ requests, runs, deals, ...changes }).violations
}

/** The ledger with one line more at this place. */
function withLine(at: number, line: DealRecord): DealRecord[] {
  return [...requests.slice(0, at), line, ...requests.slice(at)]
}

it('finds nothing wrong where deals are done, undone, parked, or wait', () => {
  expect(violations({})).toEqual([])
})

it('lets a run that its worker has left wait behind a parked one, and what it may have done stand', () => {
  const left = (more: Partial<DealRun>) =>
    runs.map((each) => (each.event === 'held-4' ? run('held-4', 2, {}, more) : each))
  const begun = [...requests, ...forward('held-4', 'sale')]
  expect(violations({ runs: left({ behindParked: true, maybe: true }) })).toEqual([])
  expect(violations({ runs: left({ behindParked: true, maybe: true }), requests: begun })).toEqual([])
  expect(violations({ runs: left({ behindParked: true }), requests: begun })).toEqual([
    'D9 deal held-4 in state 2, step sale in undefined: sales holds 1',
  ])
})

it('notices a deal that is in two systems only', () => {
  const without = requests.filter(({ event, sink }) => event !== 'held-1' || sink !== 'shipments')
  expect(violations({ requests: without })).toEqual([
    'D9 deal held-1 in state 10, step shipment in 10: shipments holds 0',
  ])
})

it('notices an undo that is missing, and one that came too early', () => {
  const sale = requests.findIndex(
    ({ event, kind, sink }) => event === 'undone-2' && kind === 'undo' && sink === 'sales',
  )
  const without = requests.toSpliced(sale, 1)
  expect(violations({ requests: without })).toEqual([
    'D9 deal undone-2 in state 13, step sale in 12: sales holds 1',
  ])
  expect(violations({ requests: [...without.slice(0, 6), requests[sale]!, ...without.slice(6)] })).toEqual([
    'D9 deal undone-2: sales was undone too early',
  ])
})

it('notices what goes forward after the first undo, before its turn, or twice', () => {
  const again = request('undone-2', 'create', 'sale', { effect: false })
  expect(violations({ requests: [...requests, again] })).toEqual([
    'D9 deal undone-2: sales was sent after the first undo',
  ])
  const early = request('held-4', 'create', 'invoice', { effect: false })
  expect(violations({ requests: [...requests, early] })).toEqual([
    'D9 deal held-4: invoices was sent before the one before it',
  ])
  const twice = request('held-3', 'create', 'sale', { document: 'sales-2' })
  expect(violations({ requests: [...requests, twice] })).toEqual([
    'D9 deal held-3 in state 4, step sale in 10: sales holds 2',
    'D4 deal held-3: sales has it twice',
  ])
})

it('notices a parked run that does not say what the systems hold', () => {
  const lying = runs.map((each) => (each.event === 'held-3' ? run('held-3', 4, { sale: 4 }) : each))
  expect(violations({ runs: lying })).toEqual(['D9 deal held-3 in state 4, step sale in 4: sales holds 1'])
})

it('notices a second key, a lost run, one that never ended, and a check that proved nothing', () => {
  const other = request('held-1', 'create', 'sale', { effect: false, idempotencyKey: 'other' })
  expect(violations({ requests: withLine(1, other) })).toEqual([
    'D4 deal held-1: create in sales came with several idempotency keys',
  ])
  expect(violations({ runs: runs.slice(0, 3) })).toEqual(['D2 deal held-4 has no run'])
  for (const state of [1, 2, 3]) {
    const open = runs.map((each) => (each.event === 'held-4' ? run('held-4', state, {}) : each))
    expect(violations({ runs: open })).toContain(`D9 deal held-4 is left in state ${state}`)
  }
  expect(violations({ requests: requests.filter(({ kind }) => kind !== 'look') })).toEqual([
    'nothing proved: no dealLooks',
  ])
})

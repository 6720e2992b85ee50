import type { DealRecord } from './sinks.ts'

/** What the journal says of a deal's run. */
export interface DealRun {
  readonly event: string
  readonly state: number
  readonly compensating: boolean
  /** It stands behind a run of its lane that is parked. */
  readonly behindParked: boolean
  /** Its worker has ended, and what was under way is not known. */
  readonly maybe: boolean
  /** By name: state, and whether its effect may have happened without the journal knowing. */
  readonly steps: Readonly<Record<string, { readonly state: number; readonly maybe: boolean }>>
}

/** The systems in the order of the steps, each with the step that calls it. */
const systems = [
  ['sales', 'sale'],
  ['invoices', 'invoice'],
  ['shipments', 'shipment'],
] as const

const [waiting, retrying, parked, succeeded, compensated] = [1, 2, 4, 10, 13]
const stepDone = 10

/**
 * Promise 9, from the systems' own ledgers: each deal is in all three systems once, or in none, or its run is parked (or
 * stands behind one that is) and says exactly what they hold. Nothing goes forward after the first undo, and undos come in
 * reverse order.
 */
export function judgeDeals(facts: {
  readonly requests: readonly DealRecord[]
  readonly runs: readonly DealRun[]
  /** Ids of all deals that were published. */
  readonly deals: readonly string[]
}): { readonly violations: readonly string[]; readonly checked: Readonly<Record<string, number>> } {
  const { requests, runs, deals } = facts
  const byEvent = Map.groupBy(requests, ({ event }) => event)
  const byRun = new Map(runs.map((run) => [run.event, run]))
  const violations = deals.flatMap((deal) => {
    const own = byEvent.get(deal) ?? []
    const run = byRun.get(deal)
    if (!run) return [`D2 deal ${deal} has no run`]
    return [...balance(deal, run, own), ...order(deal, own), ...keys(deal, own)]
  })
  const count = (state: number) => runs.filter((run) => run.state === state).length
  const undos = requests.filter(({ kind }) => kind === 'undo')
  const checked = {
    deals: deals.length,
    dealsDone: count(succeeded),
    dealsUndone: count(compensated),
    dealsParked: count(parked),
    dealsWaiting: count(waiting),
    undos: undos.length,
    undosUnanswered: undos.filter(({ fault }) => fault === 'timeout' || fault === 'reset').length,
    dealLooks: requests.filter(({ kind }) => kind === 'look').length,
  }
  // These two are matters of chance in a short run.
  const { dealsWaiting: _, undosUnanswered: __, ...needed } = checked
  const empty = Object.entries(needed).filter(([, n]) => n === 0)
  return { checked, violations: [...violations, ...empty.map(([name]) => `nothing proved: no ${name}`)] }
}

function balance(deal: string, run: DealRun, requests: readonly DealRecord[]): string[] {
  return systems.flatMap(([sink, step]) => {
    const mine = requests.filter((request) => request.sink === sink && request.effect)
    const found = mine.reduce((sum, { kind }) => sum + (kind === 'undo' ? -1 : 1), 0)
    const says = run.steps[step]
    const wanted = wantedOf(run, says)
    if (wanted === undefined) return [`D9 deal ${deal} is left in state ${run.state}`]
    if (found === wanted || (mayHold(run, says) && found <= 1)) return []
    return [`D9 deal ${deal} in state ${run.state}, step ${step} in ${says?.state}: ${sink} holds ${found}`]
  })
}

/** The run says that it does not know. */
function mayHold({ state, maybe }: DealRun, says: DealRun['steps'][string] | undefined): boolean {
  return (state === parked && says?.maybe === true) || (state === retrying && maybe)
}

/** How many documents there have to be; undefined for a run that should not be in this state. */
function wantedOf(
  { state, behindParked }: DealRun,
  says: DealRun['steps'][string] | undefined,
): number | undefined {
  if (state === succeeded) return says?.state === stepDone ? 1 : undefined
  if (state === compensated) return says === undefined || says.state !== stepDone ? 0 : undefined
  const stands = (state === waiting || state === retrying) && behindParked
  if (state !== parked && !stands) return undefined
  return says?.state === stepDone ? 1 : 0
}

/** Forward in the order of the steps, and back the other way, never forward again. */
function order(deal: string, requests: readonly DealRecord[]): string[] {
  const place = (sink: string) => systems.findIndex(([name]) => name === sink)
  const broken: string[] = []
  const there = new Set<number>()
  let back = false
  for (const { sink, kind, effect } of requests) {
    const at = place(sink)
    if (kind === 'undo') {
      back = true
      for (const later of there) if (later > at) broken.push(`D9 deal ${deal}: ${sink} was undone too early`)
      if (effect) there.delete(at)
    } else if (kind === 'create') {
      if (back) broken.push(`D9 deal ${deal}: ${sink} was sent after the first undo`)
      if (at > 0 && !there.has(at - 1))
        broken.push(`D9 deal ${deal}: ${sink} was sent before the one before it`)
      if (effect && there.has(at)) broken.push(`D4 deal ${deal}: ${sink} has it twice`)
      if (effect) there.add(at)
    }
  }
  return broken
}

/** A step is sent under one key, and undone under another. */
function keys(deal: string, requests: readonly DealRecord[]): string[] {
  const bySending = Map.groupBy(
    requests.filter(({ kind }) => kind !== 'look'),
    ({ sink, kind }) => `${kind} in ${sink}`,
  )
  return [...bySending]
    .filter(([, sent]) => new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size !== 1)
    .map(([what]) => `D4 deal ${deal}: ${what} came with several idempotency keys`)
}

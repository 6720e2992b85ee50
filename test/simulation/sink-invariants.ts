import type { JournalSnapshot } from '../../src/testing/journal-snapshot.ts'

/** What a publisher was told: stored at this place, or a duplicate of it. */
export interface Acked {
  readonly source: string
  readonly id: string
  readonly seq: number
}

/** One request as a target system saw it. */
export interface SinkCall {
  readonly system: string
  readonly flow: string
  readonly key: string | null
  /** Place of the event in the log. */
  readonly seq: number
  readonly idempotencyKey: string
  readonly kind: 'send' | 'find' | 'verify' | 'undo'
  readonly startedAt: number
  readonly endedAt: number
  /** It changed something: not a repetition that the target recognised. */
  readonly effect: boolean
}

/** D1, D3: what was acknowledged is in the log, at the place that was told. */
export function lostAcks(snapshot: JournalSnapshot, acked: readonly Acked[]): string[] {
  const places = new Map(snapshot.events.map(({ source, id, seq }) => [JSON.stringify([source, id]), seq]))
  return acked
    .filter(({ source, id, seq }) => places.get(JSON.stringify([source, id])) !== seq)
    .map(({ source, id, seq }) => `D1 acknowledged at ${seq}: ${source} ${id}`)
}

/** D4: an idempotency key has at most one effect. */
export function doubledEffects(calls: readonly SinkCall[]): string[] {
  const effects = new Map<string, number>()
  for (const call of calls.filter((each) => each.effect))
    effects.set(call.idempotencyKey, (effects.get(call.idempotencyKey) ?? 0) + 1)
  return [...effects]
    .filter(([, count]) => count > 1)
    .map(([key, count]) => `D4 ${count} effects of key ${key}`)
}

/** D5: over each (flow, key), first arrivals come in the order of the log. */
export function brokenOrder(calls: readonly SinkCall[]): string[] {
  const highest = new Map<string, number>()
  const seen = new Set<string>()
  const broken: string[] = []
  for (const { flow, key, seq } of sends(calls)) {
    const run = `${flow}/${seq}`
    if (key === null || seen.has(run)) continue
    seen.add(run)
    const lane = JSON.stringify([flow, key])
    const before = highest.get(lane) ?? 0
    if (seq < before) broken.push(`D5 ${flow}, key ${key}: ${seq} arrived after ${before}`)
    highest.set(lane, Math.max(before, seq))
  }
  return broken
}

/** D5 for an order by number: over each (flow, key), the numbers of first arrivals rise. */
export function brokenSequence(calls: readonly (SinkCall & { readonly place: number | null })[]): string[] {
  const highest = new Map<string, number>()
  const seen = new Set<string>()
  const broken: string[] = []
  for (const { flow, key, seq, place } of sends(calls)) {
    const run = `${flow}/${seq}`
    if (key === null || seen.has(run)) continue
    seen.add(run)
    const lane = JSON.stringify([flow, key])
    const before = highest.get(lane) ?? -1
    if (place === null || place <= before)
      broken.push(`D5 ${flow}, key ${key}: number ${place} (${seq}) arrived after ${before}`)
    highest.set(lane, Math.max(before, place ?? -1))
  }
  return broken
}

/** D8: no more requests to a system at the same time than its limit. */
export function exceededConcurrency(
  calls: readonly SinkCall[],
  limits: ReadonlyMap<string, number>,
): string[] {
  return [...limits].flatMap(([system, limit]) => {
    const mine = calls.filter((call) => call.system === system)
    const moments = mine.flatMap((call) => [
      { at: call.startedAt, step: 1 },
      { at: call.endedAt, step: -1 },
    ])
    moments.sort((one, other) => one.at - other.at || one.step - other.step)
    let now = 0
    const most = moments.reduce((high, { step }) => Math.max(high, (now += step)), 0)
    return most > limit ? [`D8 ${most} requests at once to ${system}, whose limit is ${limit}`] : []
  })
}

/** D8: in no window of this length more requests arrive than `max`. */
export function exceededRate(
  calls: readonly SinkCall[],
  rate: { readonly max: number; readonly perMs: number },
): string[] {
  const times = calls.map((call) => call.startedAt).sort((one, other) => one - other)
  return times
    .filter((at, place) => at - (times[place - rate.max] ?? -Infinity) < rate.perMs)
    .map((at) => `D8 more than ${rate.max} requests in ${rate.perMs} ms, until ${at}`)
}

function sends<Call extends SinkCall>(calls: readonly Call[]): Call[] {
  return calls.filter((call) => call.kind === 'send').sort((one, other) => one.startedAt - other.startedAt)
}

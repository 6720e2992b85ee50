import { readFileSync } from 'node:fs'
import type { AckRecord } from './generator.ts'
import type { SinkRecord } from './sinks.ts'

/** The log as the journal tells it: the seq of each event id. */
export type Log = ReadonlyMap<string, number>

/** What the checker was given, counted, so that an empty check does not look like a passed one. */
export interface Verdict {
  readonly violations: readonly string[]
  readonly checked: Readonly<Record<string, number>>
}

/** The lines of an append-only file of JSON; a last line that was cut off is left out. */
export function readRecords<Record>(file: string): Record[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record)
}

/** Proves the promises from what publishers were told and what targets saw, against the log. */
export function judge(facts: {
  readonly acks: readonly AckRecord[]
  readonly requests: readonly SinkRecord[]
  /** All of it, deals too. */
  readonly log: Log
  readonly events: number
}): Verdict {
  const { acks, requests, events } = facts
  const log = new Map([...facts.log].filter(([id]) => id.startsWith('e-')))
  const sinks = ['keyed', 'other', 'forgetful']
  const sends = requests.filter(({ kind }) => kind === 'send')
  const violations = [
    ...acknowledged(acks, facts.log, events),
    ...sinks.flatMap((sink) => delivered(sink, sends, log)),
    ...sinks.flatMap((sink) => inOrder(sink, sends, log)),
    ...oneEffectPerKey(sends),
    ...lookedFirst(requests),
  ]
  return {
    violations,
    checked: {
      acknowledgements: acks.length,
      duplicates: acks.filter(({ sending }) => sending === 'again').length,
      conflicts: acks.filter(({ sending }) => sending === 'other').length,
      eventsInLog: facts.log.size,
      requests: requests.length,
      repeatedSends: sends.length - new Set(sends.map(({ sink, event }) => `${sink} ${event}`)).size,
      finds: requests.length - sends.length,
      keys: new Set(sends.map(({ number }) => number)).size,
    },
  }
}

/** D1, D3: acknowledged once at the place where it is; a repeat is told so; other data under a known id is refused. */
function acknowledged(acks: readonly AckRecord[], log: Log, events: number): string[] {
  const broken: string[] = []
  const first = new Set<string>()
  for (const { id, seq, duplicate, sending, status, tries } of acks) {
    if (sending === 'other') {
      if (status !== 409) broken.push(`D3 other data under ${id} was answered with ${status}`)
      continue
    }
    if (status !== 202) broken.push(`D1 ${id} was answered with ${status}`)
    else if (log.get(id) !== seq) broken.push(`D1 ${id} acknowledged at ${seq}, stored at ${log.get(id)}`)
    if (sending === 'again' && !duplicate) broken.push(`D3 ${id} was accepted twice`)
    if (sending === 'first') first.add(id)
    if (sending === 'first' && duplicate && tries === 1)
      broken.push(`D3 ${id} was called a duplicate at first`)
  }
  if (first.size !== events) broken.push(`D1 ${events - first.size} events were never acknowledged`)
  if (log.size !== events) broken.push(`D1 the log holds ${log.size} events, ${events} were published`)
  return broken
}

/** D2, D4: every event took effect in the target, once. */
function delivered(sink: string, sends: readonly SinkRecord[], log: Log): string[] {
  const effects = new Map<string, number>()
  for (const { sink: name, event, effect } of sends)
    if (name === sink && effect) effects.set(event, (effects.get(event) ?? 0) + 1)
  const broken: string[] = []
  for (const id of log.keys()) {
    const count = effects.get(id) ?? 0
    if (count !== 1) broken.push(`${count === 0 ? 'D2' : 'D4'} ${sink}: ${count} effects of ${id}`)
  }
  for (const id of effects.keys()) if (!log.has(id)) broken.push(`D1 ${sink}: ${id} is not in the log`)
  return broken
}

/** D5: over each key, first arrivals come in the order of the log. */
function inOrder(sink: string, sends: readonly SinkRecord[], log: Log): string[] {
  const highest = new Map<string, number>()
  const seen = new Set<string>()
  const broken: string[] = []
  for (const { sink: name, event, number } of sends) {
    if (name !== sink || seen.has(event)) continue
    seen.add(event)
    const seq = log.get(event) ?? 0
    const before = highest.get(number) ?? 0
    if (seq < before) broken.push(`D5 ${sink}, ${number}: ${seq} arrived after ${before}`)
    highest.set(number, Math.max(seq, before))
  }
  return broken
}

function oneEffectPerKey(sends: readonly SinkRecord[]): string[] {
  const keysOf = new Map<string, Set<string>>()
  for (const { sink, event, idempotencyKey } of sends) {
    const name = `${sink} ${event}`
    keysOf.set(name, (keysOf.get(name) ?? new Set()).add(idempotencyKey))
  }
  return [...keysOf]
    .filter(([, keys]) => keys.size !== 1)
    .map(([name, keys]) => `D4 ${name} came with ${keys.size} idempotency keys`)
}

/** D4: where the target forgets keys, no second send without a look in between. */
function lookedFirst(requests: readonly SinkRecord[]): string[] {
  const last = new Map<string, SinkRecord>()
  const broken: string[] = []
  for (const request of requests) {
    if (request.sink !== 'forgetful') continue
    const before = last.get(request.event)
    const unanswered = before?.kind === 'send' && (before.fault === 'timeout' || before.fault === 'reset')
    if (request.kind === 'send' && unanswered)
      broken.push(`D4 ${request.event} was sent again after ${before.fault} without a look`)
    last.set(request.event, request)
  }
  return broken
}

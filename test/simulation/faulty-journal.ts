import { BusbarError } from '../../src/errors.ts'
import type { Journal } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import type { SimulatedProcess } from './process.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What can happen to one call of the journal, beside its going well. */
export const journalFaults = ['delay', 'fail', 'fail-after', 'stall', 'die', 'die-after', 'outage'] as const

/** Those, and the worst, which worlds have that are made for it: told that it failed, it lands all the same, some time later. */
export type JournalFault = (typeof journalFaults)[number] | 'late'

/** How often each happens, as a share of the calls. */
export type FaultRates = Readonly<Record<Exclude<JournalFault, 'outage'>, number>>

/** The database as all processes find it. */
export interface Weather {
  /** No call gets through until this moment (monotonic). */
  outageUntil: number
  /** Undefined: no faults any more. */
  rates: FaultRates | undefined
}

/** What a journal with faults needs. */
export interface FaultyJournalDeps {
  readonly inner: Journal
  readonly process: SimulatedProcess
  readonly clock: VirtualClock
  readonly dice: Dice
  readonly weather: Weather
  /** Longer than a lease. */
  readonly stallMs: number
  readonly onFault: (method: string, fault: JournalFault) => void
  /** Told what landed and what it came to, for a reader of one seed. */
  readonly trace: Trace | undefined
}

/** One line of what happens in a world. */
export type Trace = (line: string) => void

type Answer = { readonly value: unknown } | { readonly error: Error }

/**
 * A journal across a network from its process: each call takes time to get there and time to be answered, and may fail
 * before it did anything, fail after it did it, take longer than a lease, or be the last thing that its process does.
 * A call that was sent lands even when its process is dead by then.
 */
export function faultyJournal(deps: FaultyJournalDeps): Journal {
  return new Proxy(deps.inner, {
    get: (inner, name) => {
      const method = Reflect.get(inner, name) as (...args: unknown[]) => Promise<unknown>
      // The model knows no replays; the question for them comes each second, and would only use up faults.
      if (name === 'runningReplays') return () => method.apply(inner)
      return (...args: unknown[]) =>
        call(deps, { method: String(name), args }, () => method.apply(inner, args))
    },
  })
}

function call(
  deps: FaultyJournalDeps,
  { method, args }: { readonly method: string; readonly args: readonly unknown[] },
  work: () => Promise<unknown>,
): Promise<unknown> {
  const { process, clock, dice, weather, onFault, trace } = deps
  return new Promise((resolve, reject) => {
    if (process.dead) return
    const fault = chooseFault(dice, weather, method)
    if (fault) onFault(method, fault)
    const answer = (what: Answer) =>
      process.deliver(() => ('error' in what ? reject(what.error) : resolve(what.value)))
    const away = () => {
      onFault(method, 'outage')
      answer({ error: unavailable(method) })
    }
    const back = (what: Answer) =>
      clock.timer(latency(dice), () => (clock.monotonic() < weather.outageUntil ? away() : answer(what)))
    const land = () => {
      if (clock.monotonic() < weather.outageUntil) return away()
      if (fault === 'fail') return answer({ error: unavailable(method) })
      work().then(
        (value) => {
          trace?.(`${process.id} ${method} ${JSON.stringify(args)} → ${fault ?? ''} ${JSON.stringify(value)}`)
          if (fault === 'die-after') process.kill()
          back(fault === 'fail-after' ? { error: unavailable(method) } : { value })
        },
        (error: Error) => back({ error }),
      )
    }
    if (fault === 'late') clock.timer(latency(dice), () => answer({ error: unavailable(method) }))
    clock.timer(travelMs(deps, fault), land)
    if (fault === 'die') process.kill()
  })
}

function travelMs({ dice, stallMs }: FaultyJournalDeps, fault: JournalFault | undefined): number {
  if (fault === 'stall') return stallMs * (1 + dice.next())
  if (fault === 'late') return dice.pick([10, 200, 2_000, stallMs]) * (1 + dice.next())
  return fault === 'delay' ? dice.between(5, 600) : latency(dice)
}

/** Mostly at once, so that a call costs little to simulate and calls overtake each other all the same. */
function latency(dice: Dice): number {
  return dice.chance(0.6) ? 0 : dice.next() * 4
}

/** Made seldom, so that each must go wrong more often to go wrong in every way. */
const seldom: ReadonlySet<string> = new Set([
  ...['acquire', 'release', 'takeover', 'leave', 'join', 'registerFlows', 'registerSystems', 'mark'],
  ...[
    'openBreaker',
    'closeBreaker',
    'tryProbe',
    'throttle',
    'claim',
    'existing',
    'flushAll',
    'releaseLinked',
    'reserveRate',
  ],
])
/** Most seldom of all. */
const rare: ReadonlySet<string> = new Set([
  ...['closeBreaker', 'openBreaker', 'throttle', 'leave', 'tryProbe'],
  ...['firstOf', 'stepsWithoutRun', 'wakeParked'],
  ...['externalIds', 'tidyLinkWaits', 'repartition'],
])

function chooseFault(dice: Dice, { rates }: Weather, method: string): JournalFault | undefined {
  if (!rates) return undefined
  let left = dice.next()
  for (const fault of [...journalFaults, 'late'] as const) {
    if (fault === 'outage') continue
    const grave = fault === 'stall' || fault.startsWith('die')
    left -= rates[fault] * (grave ? timesMore(method) : rare.has(method) ? 5 : 1)
    if (left < 0) return fault
  }
  return undefined
}

function timesMore(method: string): number {
  if (rare.has(method)) return 100
  return seldom.has(method) ? 20 : 1
}

function unavailable(method: string): BusbarError {
  return new BusbarError('journal.unavailable', `${method}: the database does not answer`)
}

import { innerValues, within } from '../define/nested-maps.ts'
import type { RunMinute, SystemMinute } from '../journal/port.ts'
import { latencyBounds } from '../journal/port.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
interface Call extends Omit<Mutable<SystemMinute>, 'hist'> {
  readonly hist: number[]
}

/** Gathers what systems and flows did by minute, until it is taken. */
export class Minutes {
  /** By minute, then by system. */
  #calls = new Map<number, Map<number, Call>>()
  /** By minute, then by flow. */
  #runs = new Map<number, Map<number, Mutable<RunMinute>>>()

  /** A call of a system; `failed`: it speaks against the system. */
  called(minute: number, system: number, call: { readonly ms: number; readonly failed: boolean }): void {
    const ofMinute = within(this.#calls, minute)
    let row = ofMinute.get(system)
    if (!row) ofMinute.set(system, (row = newCall(system, minute)))
    row.calls++
    row.totalMs += Math.round(call.ms)
    if (call.failed) row.failed++
    let place = 0
    while (place < latencyBounds.length && call.ms > (latencyBounds[place] as number)) place++
    row.hist[place] = (row.hist[place] ?? 0) + 1
  }

  /** A run of a flow came to an end, or was handed to a person. */
  ended(minute: number, flow: number, how: 'finished' | 'parked'): void {
    const ofMinute = within(this.#runs, minute)
    let row = ofMinute.get(flow)
    if (!row) ofMinute.set(flow, (row = { flow, minute, finished: 0, parked: 0 }))
    row[how]++
  }

  /** What was gathered since the last time. */
  take(): { readonly systems: readonly SystemMinute[]; readonly runs: readonly RunMinute[] } {
    const taken = { systems: innerValues(this.#calls), runs: innerValues(this.#runs) }
    this.#calls = new Map()
    this.#runs = new Map()
    return taken
  }
}

function newCall(system: number, minute: number): Call {
  return { system, minute, calls: 0, failed: 0, totalMs: 0, hist: latencyBounds.map(() => 0).concat(0) }
}

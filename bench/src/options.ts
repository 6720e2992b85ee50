import { parseArgs } from 'node:util'
import type { Shape } from './contestants/contestant.ts'
import type { Amounts } from './workloads/workload.ts'

export interface Options {
  /** Names; undefined: those that a workload has by itself. */
  readonly systems: readonly string[] | undefined
  readonly workloads: readonly string[]
  /** Of a workload, by a part of their names; undefined: all. */
  readonly only: string | undefined
  readonly rounds: number
  readonly amounts: Amounts
  /** How busbar runs where its workload says nothing of it. */
  readonly shape: Shape
  readonly idleWaitMs: number
  readonly out: string
  readonly profile: boolean
  readonly json: boolean
}

const options = {
  systems: { type: 'string' },
  workloads: { type: 'string', default: 'fan-out' },
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  calibrate: { type: 'boolean', default: false },
  lead: { type: 'string', default: '5000' },
  'outage-events': { type: 'string', default: '50000' },
  pending: { type: 'string', default: '1000000' },
  finished: { type: 'string', default: '0,1000000,10000000' },
  watchers: { type: 'string', default: '25' },
  workers: { type: 'string', default: '0' },
  partitions: { type: 'string', default: '1' },
  'idle-wait': { type: 'string', default: '60' },
  out: { type: 'string', default: '.bench' },
  profile: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

/** What the command line asks for; throws in words what it cannot. */
export function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({ args: [...args], options })
  const { quick, calibrate } = values
  const partitions = whole('--partitions', values.partitions)
  if (partitions !== 1 && partitions !== 2 && partitions !== 4) throw new Error('--partitions is 1, 2 or 4')
  return {
    systems: calibrate ? ['nothing'] : values.systems?.split(','),
    workloads: calibrate ? ['calibrate'] : values.workloads.split(','),
    only: values.only,
    rounds: whole('--rounds', values.rounds ?? (quick ? '1' : '3')),
    amounts: {
      seconds: whole('--seconds', values.seconds ?? (quick ? '3' : '15')),
      warmSeconds: quick ? 2 : 4,
      lead: whole('--lead', values.lead),
      outageEvents: whole('--outage-events', values['outage-events']),
      pending: whole('--pending', values.pending),
      finished: values.finished.split(',').map((each) => whole('--finished', each)),
      watchers: whole('--watchers', values.watchers),
    },
    shape: { workers: whole('--workers', values.workers), partitions },
    idleWaitMs: quick ? 5_000 : whole('--idle-wait', values['idle-wait']) * 1_000,
    out: values.out,
    profile: values.profile,
    json: values.json,
  }
}

/** The whole number that an option was given; throws in words when it is none. */
export function whole(name: string, given: string): number {
  const value = Number(given)
  if (given === '' || !Number.isInteger(value) || value < 0)
    throw new Error(`${name} is a whole number, not "${given}"`)
  return value
}

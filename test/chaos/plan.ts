import { parseArgs } from 'node:util'

/** What one chaos run does; everything random in it follows from the seed. */
export interface Plan {
  readonly seed: number
  readonly events: number
  readonly keys: number
  readonly kills: number
  readonly minutes: number
  readonly json: boolean
  readonly transport: 'log' | 'rabbitmq'
  /** The following are for `rabbitmq`. */
  readonly ingress: number
  readonly workers: number
  readonly faults: number
  readonly takeovers: number
  readonly rate: number
}

/** What one run came to. */
export interface Result {
  readonly seed: number
  readonly events: number
  readonly faults: Readonly<Record<string, number>>
  readonly checks: Readonly<Record<string, number>>
  readonly seconds: number
  readonly violations: readonly string[]
  /** How long things took to go on, as a distribution in words. */
  readonly recovery?: Readonly<Record<string, string>>
}

/** Every so many events there is a deal, in turns of each kind. */
export const eventsPerDeal = 8
/** What becomes of a deal that a system refuses: it is undone in the others, or held for a person. */
export const dealKinds = ['undone', 'held'] as const

export const usage = `Usage: npm run chaos -- [options]

Publishes events to busbar processes that are killed again and again, PostgreSQL too, delivers them to three targets that
fail, and proves from the targets' own records that nothing was lost, doubled or out of order. Every eighth event brings a
deal along, which goes through three more systems: it ends in all of them, or in none, or parked with what they hold.

  --seed <n>     another run (default: a random one, printed)
  --kills <n>    how often something is killed or stopped (default 24)
  --minutes <n>  how long events are published at most (default 3)
  --events <n>   events to publish (default 20000)
  --keys <n>     business objects they are about (default 500)
  --json         print the result as one line of JSON, the last of stdout

  --transport rabbitmq   several processes of each role with a RabbitMQ of their own, and faults of every kind: processes
                         are killed, stopped for longer than their lease and restarted, so are PostgreSQL and RabbitMQ;
                         alarms are raised, queues deleted, and connections cut, delayed, dripped, half-closed, held up and
                         swallowed. How long everything takes to go on is measured. Instead of --kills and --events:

  --ingress <n>    processes that take events (default 2)
  --workers <n>    processes that run flows, every second one with the relay (default 3)
  --faults <n>     faults, one after the other, now and then two at once (default 30); with --minutes, as many as fit
  --takeovers <n>  kills of a worker with a second kill while it is being taken over (default 10)
  --rate <n>       events a second (default 20)
`

const numbers = [
  ...(['seed', 'kills', 'minutes', 'events', 'keys'] as const),
  ...(['ingress', 'workers', 'faults', 'takeovers', 'rate'] as const),
]
type NumberName = (typeof numbers)[number]

/** Deals that come with so many events. */
export function dealsOf(events: number): number {
  return Math.floor(events / eventsPerDeal)
}

/** The plan that the arguments ask for, or what is wrong with them. */
export function parsePlan(args: readonly string[]): Plan | string {
  try {
    const text = { type: 'string' } as const
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...(Object.fromEntries(numbers.map((name) => [name, text])) as Record<NumberName, typeof text>),
        transport: text,
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    if (values.help) return usage
    const number = (name: NumberName, fallback: number) => {
      const value = values[name] === undefined ? fallback : Number(values[name])
      if (Number.isNaN(value) || value <= 0)
        throw new Error(`--${name} needs a number above 0, not "${values[name]}"`)
      return value
    }
    const transport = values.transport ?? 'log'
    if (transport !== 'log' && transport !== 'rabbitmq')
      throw new Error(`--transport is log or rabbitmq, not "${transport}"`)
    const timed = transport === 'rabbitmq' && values.minutes !== undefined
    return {
      seed: number('seed', Math.floor(Math.random() * 1_000_000) + 1),
      kills: number('kills', 24),
      minutes: number('minutes', transport === 'rabbitmq' ? 60 : 3),
      events: number('events', 20_000),
      keys: number('keys', 500),
      json: values.json ?? false,
      transport,
      ingress: number('ingress', 2),
      workers: number('workers', 3),
      faults: number('faults', timed ? Number.POSITIVE_INFINITY : 30),
      takeovers: number('takeovers', 10),
      rate: number('rate', 20),
    }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${usage}`
  }
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

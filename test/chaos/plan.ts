import { parseArgs } from 'node:util'

/** What one chaos run does; everything random in it follows from the seed. */
export interface Plan {
  readonly seed: number
  readonly events: number
  readonly keys: number
  readonly kills: number
  readonly minutes: number
  readonly json: boolean
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
`

/** The plan that the arguments ask for, or what is wrong with them. */
export function parsePlan(args: readonly string[]): Plan | string {
  try {
    const text = { type: 'string' } as const
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: text,
        kills: text,
        minutes: text,
        events: text,
        keys: text,
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    if (values.help) return usage
    const number = (name: 'seed' | 'kills' | 'minutes' | 'events' | 'keys', fallback: number) => {
      const value = values[name] === undefined ? fallback : Number(values[name])
      if (!Number.isFinite(value) || value <= 0)
        throw new Error(`--${name} needs a number above 0, not "${values[name]}"`)
      return value
    }
    return {
      seed: number('seed', Math.floor(Math.random() * 1_000_000) + 1),
      kills: number('kills', 24),
      minutes: number('minutes', 3),
      events: number('events', 20_000),
      keys: number('keys', 500),
      json: values.json ?? false,
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

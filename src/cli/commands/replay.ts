import type { Command } from 'commander'
import { createControlClient } from '../../control/client.ts'
import type { ControlClient } from '../../control/client.ts'
import { replayableStates } from '../../control/schema/replay.ts'
import { BusbarError } from '../../errors.ts'
import { shareOf } from '../bulk-start.ts'
import type { Action, Context } from '../context.ts'
import { exitCode } from '../exit-code.ts'
import { countOf, oneOf } from '../options.ts'
import { describePlan } from '../replay-plan.ts'
import { followReplay } from '../replay-progress.ts'
import { parseMoment } from '../run-argument.ts'

interface ReplayOptions {
  readonly from?: string
  readonly to?: string
  readonly keyOf?: string
  readonly type?: readonly string[]
  readonly state?: readonly string[]
  readonly all: boolean
  readonly sameKeys: boolean
  readonly newKeys: boolean
  readonly rate: string
  readonly maxErrors: string
  readonly sample: string
  readonly planOnly: boolean
  readonly yes: boolean
  readonly reason: string
}

/** `replay`. */
export function addReplayCommand(program: Command, action: Action): void {
  program
    .command('replay <flow>')
    .description('run events of the past once more: first a plan, then, when you agree, in growing stages')
    .option('--from <time>', 'of events accepted since: 15m, 2h, 1d, or a time')
    .option('--to <time>', 'of events accepted before')
    .option('--key-of <key>', 'of events about this business object')
    .option('--type <type...>', 'of events of these types')
    .option('--state <state...>', `whose latest run is ${replayableStates.join(', ')} (the flow began later)`)
    .option('--all', 'of all events, without a filter', false)
    .option('--same-keys', 'send the same idempotency keys: what a system remembers is not done twice', false)
    .option('--new-keys', 'send new idempotency keys: everything is done again', false)
    .option('--rate <n>', 'runs a second at most', '50')
    .option('--max-errors <share>', 'stop when a larger share of a stage has failed', '10%')
    .option('--sample <n>', 'how many runs to compare with what was sent before', '20')
    .option('--plan-only', 'store the plan and show it; "busbar replays start" begins it', false)
    .option('--yes', 'begin without asking', false)
    .requiredOption('--reason <text>', 'why; kept in the audit trail')
    .action(action(replay))
}

/** Large selections take a while to be stored. */
const planTimeoutMs = 300_000

async function replay(context: Context, flow: string, options: ReplayOptions): Promise<void> {
  const { terminal } = context
  const input = inputOf(flow, options)
  if (!options.planOnly && !options.yes && (!terminal.ask || context.options.json))
    throw new BusbarError(
      'config.invalid',
      'there is nobody to ask whether the plan is right: say --plan-only first, then --yes',
    )
  const { url, key } = context.options
  const client = createControlClient({ url, timeoutMs: planTimeoutMs, ...(key !== undefined && { key }) })
  const plan = await client.planReplay(input)
  if (options.planOnly || !context.options.json) context.show(plan, (value) => describePlan(terminal, value))
  if (options.planOnly) {
    if (!context.options.json) terminal.out(`\nbegin it with: busbar replays start ${plan.id}`)
    return
  }
  if (!options.yes && !(await agreed(context, client, plan.id))) return
  await client.startReplay({ id: plan.id, reason: options.reason })
  await followReplay(context, plan.id)
}

async function agreed({ terminal }: Context, client: ControlClient, id: number): Promise<boolean> {
  const answer = await terminal.ask?.('\nBegin? [y/N] ')
  if (/^y(es)?$/i.test(answer?.trim() ?? '')) return true
  await client.cancelReplay({ id, reason: 'not wanted after a look at the plan' })
  terminal.out('nothing was done')
  process.exitCode = exitCode.refused
  return false
}

function inputOf(flow: string, options: ReplayOptions) {
  const { from, to, keyOf, type, state, all, reason } = options
  return {
    flow,
    reason,
    all,
    keys: keysOf(options),
    rate: rateOf(options.rate),
    maxErrors: shareOf(options.maxErrors),
    sample: options.sample === '0' ? 0 : countOf('--sample', options.sample, 100),
    ...(from !== undefined && { from: parseMoment(from) }),
    ...(to !== undefined && { to: parseMoment(to) }),
    ...(keyOf !== undefined && { key: keyOf }),
    ...(type && { types: [...type] }),
    ...(state && { states: state.map((each) => oneOf('--state', each, replayableStates)) }),
  }
}

/** Never a default: one of them does everything again, the other perhaps nothing. */
function keysOf({ sameKeys, newKeys }: ReplayOptions): 'same' | 'new' {
  if (sameKeys !== newKeys) return sameKeys ? 'same' : 'new'
  throw new BusbarError(
    'config.invalid',
    'say --same-keys (a system that remembers the idempotency keys of the first time does nothing twice) or --new-keys (everything is done again)',
  )
}

function rateOf(given: string): number {
  const rate = /^\d{1,5}(\.\d{1,3})?$/.test(given) ? Number(given) : 0
  if (rate > 0 && rate <= 10_000) return rate
  throw new BusbarError('config.invalid', `--rate is a number above 0 and up to 10,000, not "${given}"`)
}

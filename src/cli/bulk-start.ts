import { createControlClient } from '../control/client.ts'
import type { BulkAct } from '../control/schema/bulk.ts'
import { BusbarError } from '../errors.ts'
import { describeBulkPlan, followBulk } from './bulk-progress.ts'
import type { Context } from './context.ts'
import { exitCode } from './exit-code.ts'

/** How carefully many runs are acted on. */
export interface BulkOptions {
  readonly ramp?: string | boolean
  readonly maxErrors: string
  readonly planOnly: boolean
  readonly yes: boolean
  readonly reason?: string
}

type Selection = Omit<
  NonNullable<Parameters<ReturnType<typeof createControlClient>['planBulkAct']>[0]>,
  'ramp' | 'maxErrors' | 'reason'
>

/** Large selections take a while to be stored. */
const planTimeoutMs = 300_000
const defaultRamp = [1, 10, 100]

/** Plans an act on many runs, shows the plan, asks, begins it and follows it. */
export async function startBulk(context: Context, selection: Selection, options: BulkOptions): Promise<void> {
  const { terminal } = context
  const { planOnly, yes, reason } = options
  const ramp = rampOf(options.ramp)
  const maxErrors = shareOf(options.maxErrors)
  if (!planOnly && !yes && (!terminal.ask || context.options.json))
    throw new BusbarError(
      'config.invalid',
      'there is nobody to ask whether the plan is right: say --plan-only first, then --yes',
    )
  const { url, key } = context.options
  const client = createControlClient({ url, timeoutMs: planTimeoutMs, ...(key !== undefined && { key }) })
  const plan = await client.planBulkAct({
    ...selection,
    ramp,
    maxErrors,
    ...(reason !== undefined && { reason }),
  })
  if (planOnly || !context.options.json) context.show(plan, (act) => describeBulkPlan(terminal, act))
  if (planOnly) {
    if (!context.options.json) terminal.out(`\nbegin it with: busbar bulk start ${plan.id}`)
    return
  }
  if (!yes && !(await agreed(context, plan))) return
  await client.startBulkAct({ id: plan.id })
  await followBulk(context, plan.id)
}

async function agreed({ terminal, client }: Context, { id }: BulkAct): Promise<boolean> {
  const answer = await terminal.ask?.('\nBegin? [y/N] ')
  if (/^y(es)?$/i.test(answer?.trim() ?? '')) return true
  await client.cancelBulkAct({ id, reason: 'not wanted after a look at the plan' })
  terminal.out('nothing was done')
  process.exitCode = exitCode.refused
  return false
}

/** `1,10,100`; alone, the default. */
function rampOf(given: string | boolean | undefined): number[] {
  if (given === undefined || given === true || given === false) return defaultRamp
  if (given === 'none') return []
  const sizes = given.split(',').map((size) => (/^\d{1,6}$/.test(size.trim()) ? Number(size) : 0))
  if (sizes.length <= 10 && sizes.every((size) => size > 0)) return sizes
  throw new BusbarError(
    'config.invalid',
    `--ramp is sizes of stages such as 1,10,100, or none, not "${given}"`,
  )
}

/** `10%`, or `0.1`. */
export function shareOf(given: string): number {
  const match = /^(\d{1,3}(?:\.\d+)?)(%?)$/.exec(given)
  const share = match ? Number(match[1]) / (match[2] === '%' ? 100 : 1) : -1
  if (share >= 0 && share <= 1) return share
  throw new BusbarError('config.invalid', `--max-errors is a share such as 10% or 0.1, not "${given}"`)
}

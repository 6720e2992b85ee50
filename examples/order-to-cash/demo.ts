import { parseArgs } from 'node:util'
import { isConsistent } from './check.ts'
import { toJson, toTable } from './report.ts'
import { runBusbar, runDirect } from './runs.ts'
import type { RunningBusbar } from './runs.ts'
import { Screen } from './screen.ts'
import { planTraffic } from './traffic.ts'
import { toTry } from './try.ts'
import type { Story } from './wholesale-story.ts'
import { tellWholesale } from './wholesale-story.ts'

const usage = `Usage: npm run demo -- [options]

A shop sells to an ERP, an accounting package and a logistics platform, all of which fail now and then:
first by direct calls, then through busbar, with the same orders and the same faults.

  --once        end after the comparison; the exit code is 1 if busbar left anything wrong
  --json        print the comparison as one line of JSON, the last of stdout; all else goes to stderr
  --orders <n>  orders to sell (default 1000)
  --seed <n>    another seed, other orders and faults (default 1)
  --help        this text
`

interface Options {
  readonly once: boolean
  readonly json: boolean
  readonly orders: number
  readonly seed: number
}

const msAnOrder = 10
/** Long enough for the outage to be felt. */
const shortestMs = 4_000

/** Runs the demo; resolves with the exit code. An interrupt at any time stops all that was started. */
async function demo(options: Options): Promise<number> {
  await using started = new AsyncDisposableStack()
  const interrupted = interrupt()
  const screen = new Screen(options.json ? process.stderr : process.stdout)
  const done = await Promise.race([compare(options, { screen, started }), interrupted])
  if (done === 'interrupted') return stopping(screen, 130)
  if (options.once) screen.say('Without --once everything goes on running, to look at it in the console.')
  else {
    screen.say(toTry(done))
    await interrupted
    stopping(screen, 0)
  }
  return isConsistent(done.result.findings) && done.story.balanced ? 0 : 1
}

/** Both runs, and the table. */
async function compare(
  { orders, seed, once, json }: Options,
  { screen, started }: { screen: Screen; started: AsyncDisposableStack },
): Promise<RunningBusbar & { readonly story: Story }> {
  const durationMs = Math.max(shortestMs, orders * msAnOrder)
  const plan = { traffic: planTraffic({ orders, seed, durationMs }), durationMs, seed, screen }
  screen.say(
    `${orders.toLocaleString('en')} orders by signed webhook, each message once to three times; seed ${seed}`,
  )
  screen.say('\nFirst by direct calls:')
  const direct = await runDirect(plan)
  screen.say('\nThen through busbar, with the same orders and the same faults:')
  const running = await runBusbar(plan, { started, fixedPorts: !once })
  const comparison = { seed, orders, direct, busbar: running.result }
  screen.say(`\n${toTable(comparison)}`)
  const story = await tellWholesale({ ...running, screen })
  screen.say()
  if (json) process.stdout.write(`${toJson(comparison, story)}\n`)
  return { ...running, story }
}

/** Resolves at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function interrupt(): Promise<'interrupted'> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('interrupted'))
    process.once('SIGTERM', () => resolve('interrupted'))
  })
}

function stopping(screen: Screen, exitCode: number): number {
  screen.finish()
  screen.say('\nStopping …')
  return exitCode
}

/** The options, or what is wrong with them. */
function parseOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        orders: { type: 'string', default: '1000' },
        seed: { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return usage
    const [orders, seed] = [Number(values.orders), Number(values.seed)]
    if (!Number.isInteger(orders) || orders < 1)
      return `--orders needs a whole number from 1, not "${values.orders}"\n`
    if (!Number.isInteger(seed)) return `--seed needs a whole number, not "${values.seed}"\n`
    return { once: values.once, json: values.json, orders, seed }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${usage}`
  }
}

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  process.stderr.write(options)
  process.exitCode = options === usage ? 0 : 2
} else {
  const exitCode = await demo(options)
  if (exitCode === 130) process.exit(exitCode) // orders still under way would keep it alive
  process.exitCode = exitCode
}

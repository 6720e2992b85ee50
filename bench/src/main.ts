/**
 * `npm run bench`: busbar and what a user would pick in its place, measured on this machine in one run, in turn. Writes
 * results.json, results.md and a picture to .bench/, and prints the tables. See bench/README.md for options and rules.
 * Uses the PostgreSQL at BUSBAR_TEST_DATABASE_URL and the RabbitMQ at BUSBAR_TEST_AMQP_URL, else those on the default
 * ports, else starts its own; BullMQ gets a Redis of its own.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTestServices } from '../../scripts/test-services.ts'
import type { System } from './contestants/contestant.ts'
import { systems, systemsOf } from './contestants/systems.ts'
import { installPeers } from './install.ts'
import { Child } from './machine/child.ts'
import { machine, versions } from './machine/describe.ts'
import { untilIdle } from './machine/quiet.ts'
import { serverVersions } from './machine/servers.ts'
import { measureOnce } from './one-run.ts'
import type { Services } from './one-run.ts'
import { optionsOf } from './options.ts'
import { markdownOf } from './report/markdown.ts'
import { picture } from './report/picture.ts'
import { readResults, summaries } from './report/results.ts'
import type { Results, Run } from './report/results.ts'
import type { Case, Workload } from './workloads/workload.ts'
import { workloads, workloadsOf } from './workloads/workloads.ts'

const say = (line: string) => process.stderr.write(`${line}\n`)

const options = optionsOf(process.argv.slice(2))
const plan = planned()
if (plan.some(({ system }) => system.needs.includes('peers'))) installPeers()
mkdirSync(options.out, { recursive: true })
const path = join(options.out, 'results.json')
const started = await startTestServices()
const services: Services = {
  url: started.env['BUSBAR_TEST_DATABASE_URL'] ?? '',
  amqpUrl: started.env['BUSBAR_TEST_AMQP_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672',
}
const runs: Run[] = [...(readResults(path)?.runs ?? [])]
const about = {
  machine: machine(),
  versions: versions(await serverVersions(services)),
  seconds: options.amounts.seconds,
}
const ended = () => void Child.killAll().then(() => process.exit(130))
process.once('SIGINT', ended).once('SIGTERM', ended)
try {
  for (const step of plan) {
    runs.push(await run(step))
    write({ ...about, runs })
  }
} finally {
  await Child.killAll()
  await started.stop()
}
process.stdout.write(
  options.json
    ? `${JSON.stringify({ ...about, runs })}\n`
    : markdownOf({ ...about, runs }, { workloads, systems }),
)

/** Every system once, then again: A B C A B C. */
function planned() {
  const rounds = Array.from({ length: options.rounds }, (_, index) => index + 1)
  return workloadsOf(options.workloads).flatMap((workload) => {
    const cases = workload
      .cases(options.amounts)
      .filter(({ name }) => options.only === undefined || name.includes(options.only))
    const named = systemsOf(options.systems ?? workload.systems)
    for (const system of named)
      if (!cases.some((one) => fits(workload, system, one)))
        throw new Error(`${system.name} cannot be measured in ${workload.name}`)
    return rounds.flatMap((round) =>
      cases.flatMap((one) =>
        named
          .filter((system) => fits(workload, system, one))
          .map((system) => ({ workload, one, system, round })),
      ),
    )
  })
}

function fits(workload: Workload, system: System, one: Case): boolean {
  return workload.fits?.(system, one) ?? true
}

async function run({ workload, one, system, round }: ReturnType<typeof planned>[number]): Promise<Run> {
  const what = { workload: workload.name, case: one.name, system: system.name, round }
  const name = [workload.name, ...(one.name === 'all' ? [] : [one.name]), system.name].join(' ')
  if (!(await untilIdle({ longestMs: options.idleWaitMs }))) say('the machine does not become idle')
  say(`${name}, round ${round} …`)
  const startedAt = new Date().toISOString()
  try {
    const measured = await measureOnce(system, one, {
      services,
      amounts: options.amounts,
      shape: options.shape,
      profileIn: options.profile ? join(options.out, 'profile') : undefined,
    })
    const { figures, foreignShare, disturbed, late, repeats } = measured
    const first = workload.columns[0]
    say(
      `  ${first ? `${figures[first.key]?.toFixed(first.digits)} ${first.title}` : ''}${late + repeats > 0 ? `, ${late} late, ${repeats} repeated` : ''}${disturbed ? `, disturbed: ${(100 * foreignShare).toFixed(0)} % used by others` : ''}`,
    )
    return { ...what, startedAt, ...measured }
  } catch (error) {
    say(`  failed: ${String(error)}`)
    const none = { figures: {}, repeats: 0, late: 0, wrong: 0, refused: 0, foreignShare: 0, disturbed: false }
    return { ...what, startedAt, ...none, error: String(error) }
  }
}

function write(results: Results): void {
  writeFileSync(path, `${JSON.stringify(results, undefined, 1)}\n`)
  writeFileSync(join(options.out, 'results.md'), markdownOf(results, { workloads, systems }))
  const fanOut = summaries(results.runs.filter(({ workload }) => workload === 'fan-out'))
  if (fanOut.length === 0) return
  const title = 'Events a second, delivered to three systems'
  const note = `1 KB orders, ${about.machine.split(',')[0]}, everything on one machine; medians`
  writeFileSync(join(options.out, 'fan-out.svg'), picture(fanOut, { title, note, systems }))
}

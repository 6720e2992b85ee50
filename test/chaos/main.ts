/** `npm run chaos`: see `usage` in plan.ts. */
import { say } from './children.ts'
import { clusterChaos } from './cluster/run.ts'
import { parsePlan, usage } from './plan.ts'
import { chaos } from './single.ts'

const plan = parsePlan(process.argv.slice(2))
if (typeof plan === 'string') {
  process.stderr.write(plan)
  process.exit(plan === usage ? 0 : 2)
}
const result = plan.transport === 'rabbitmq' ? await clusterChaos(plan) : await chaos(plan)
for (const violation of result.violations.slice(0, 50)) say(`violated: ${violation}`)
if (plan.json)
  process.stdout.write(`${JSON.stringify({ ...result, violations: result.violations.slice(0, 50) })}\n`)
else
  process.stdout.write(
    `seed ${result.seed}: ${result.violations.length} violations in ${result.seconds} s\n` +
      Object.entries(result.recovery ?? {})
        .map(([what, times]) => `${what}: ${times}\n`)
        .join('') +
      `faults: ${JSON.stringify(result.faults)}\nchecked: ${JSON.stringify(result.checks)}\n`,
  )
process.exit(result.violations.length > 0 ? 1 : 0)

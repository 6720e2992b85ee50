/** Runs every test, after starting the services that are missing, and ends with the runner's own counts in one line. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestServices } from './test-services.ts'

const services = await startTestServices()
const folder = mkdtempSync(join(tmpdir(), 'busbar-test-'))
const report = join(folder, 'report.json')
const args = [
  'vitest',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]
const { status } = spawnSync('npx', args, { stdio: 'inherit', env: { ...process.env, ...services.env } })
await services.stop()

const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
  readFileSync(report, 'utf8'),
) as {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: unknown[] }[]
}
rmSync(folder, { recursive: true, force: true })
const brokenFiles = testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.length === 0,
).length
console.log(
  `tests: ${numPassedTests} passed, ${numFailedTests + brokenFiles} failed, ${numPendingTests + numTodoTests} skipped`,
)
process.exitCode = status ?? 1

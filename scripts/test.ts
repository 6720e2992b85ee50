/** Runs every test, after starting the services that are missing, and ends with the runner's own counts in one line. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestServices } from './test-services.ts'

const { status: built } = spawnSync('node', ['scripts/build-console.ts'], { stdio: 'inherit' })
if (built !== 0) process.exit(built ?? 1)
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
const runner = spawn('npx', args, { stdio: 'inherit', env: { ...process.env, ...services.env } })
process.on('SIGINT', () => {}) // Ctrl-C reaches the runner too; what was started here is stopped after it
process.on('SIGTERM', () => runner.kill('SIGTERM'))
const status = await new Promise<number>((resolve) => runner.once('close', (code) => resolve(code ?? 1)))
await services.stop()
if (!existsSync(report)) {
  rmSync(folder, { recursive: true, force: true })
  console.error('the test runner was ended before its report')
  process.exit(status || 1)
}

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
process.exitCode = status

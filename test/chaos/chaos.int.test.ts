import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'

/** A short run by default; `BUSBAR_CHAOS="--kills 100 --minutes 20"` asks for another. */
const options = process.env['BUSBAR_CHAOS'] ?? '--seed 20 --kills 28 --minutes 2.5 --events 20000'

it(
  'promises 1, 2, 3, 4, 5, 9: kept while processes and PostgreSQL are killed with kill -9',
  async () => {
    const script = new URL('./main.ts', import.meta.url).pathname
    const run = spawn(process.execPath, [script, ...options.split(' '), '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let story = ''
    run.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    run.stderr.on('data', (chunk: Buffer) => (story += chunk.toString()))
    const code = await new Promise((resolve) => run.once('close', resolve))
    const result = JSON.parse(output.trim().split('\n').at(-1) || '{}') as {
      violations?: string[]
      faults?: Record<string, number>
    }
    console.log(output)
    expect(result.violations, story).toEqual([])
    expect(result.faults?.['killed']).toBeGreaterThanOrEqual(20)
    expect(code).toBe(0)
  },
  7 * 60_000,
)

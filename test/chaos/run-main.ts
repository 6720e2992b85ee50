import { spawn } from 'node:child_process'

/** What a chaos run has printed. */
export interface ChaosRun {
  readonly code: number | null
  readonly violations: readonly string[] | undefined
  readonly faults: Readonly<Record<string, number>>
  readonly checks: Readonly<Record<string, number>>
  readonly recovery: Readonly<Record<string, string>>
  /** All that it told on the way. */
  readonly story: string
}

/** Runs `npm run chaos` with these options in a process of its own, and prints its result. */
export async function runChaos(options: string): Promise<ChaosRun> {
  const script = new URL('./main.ts', import.meta.url).pathname
  const run = spawn(process.execPath, [script, ...options.split(' '), '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let story = ''
  run.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  run.stderr.on('data', (chunk: Buffer) => (story += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => run.once('close', resolve))
  console.log(output)
  const result = JSON.parse(output.trim().split('\n').at(-1) || '{}') as Partial<ChaosRun>
  return { violations: undefined, faults: {}, checks: {}, recovery: {}, ...result, code, story }
}

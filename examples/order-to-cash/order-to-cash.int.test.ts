import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'

interface Side {
  readonly missing: { readonly total: number }
  readonly duplicated: { readonly total: number }
  readonly outOfOrder: { readonly total: number }
  readonly unknown: { readonly total: number }
  readonly disagree: number
  readonly timeToConsistencyMs: number | null
  readonly faultsMet: Readonly<Record<string, number>>
}

/** Runs the demo as a user does; answers its exit code and the last line of its output. */
async function runDemo(
  options: readonly string[],
): Promise<{ code: number | null; last: string; errors: string }> {
  const script = new URL('./demo.ts', import.meta.url).pathname
  const demo = spawn(process.execPath, [script, ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  demo.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  demo.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => demo.once('close', resolve))
  return { code, last: output.trim().split('\n').at(-1) ?? '', errors }
}

it('leaves nothing missing, doubled or out of order where direct calls leave plenty, with the same faults', async () => {
  const { code, last, errors } = await runDemo(['--once', '--json', '--orders', '150', '--seed', '7'])
  expect(code, errors).toBe(0)
  const { direct, busbar, consistent, wholesale } = JSON.parse(last) as {
    direct: Side
    busbar: Side
    consistent: boolean
    wholesale: Record<'held' | 'mended' | 'undone', object>
  }
  expect(consistent).toBe(true)
  expect(
    busbar.missing.total + busbar.duplicated.total + busbar.outOfOrder.total + busbar.unknown.total,
  ).toBe(0)
  expect(busbar.disagree).toBe(0)
  expect(busbar.timeToConsistencyMs).not.toBeNull()
  expect(Math.min(...Object.values(busbar.faultsMet)), JSON.stringify(busbar.faultsMet)).toBeGreaterThan(0)
  expect(wholesale).toEqual({
    held: { erp: 1, accounting: 0, logistics: 0 },
    mended: { erp: 1, accounting: 1, logistics: 1 },
    undone: { erp: 0, accounting: 0, logistics: 0 },
    balanced: true,
  })
  expect(direct.missing.total + direct.duplicated.total + direct.outOfOrder.total).toBeGreaterThan(0)
}, 90_000)

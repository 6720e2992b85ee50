import { expect, it } from 'vitest'
import { runChaos } from './run-main.ts'

/** A short run by default; `BUSBAR_CHAOS="--kills 100 --minutes 20"` asks for another. */
const options = process.env['BUSBAR_CHAOS'] ?? '--seed 20 --kills 28 --minutes 2.5 --events 20000'

it(
  'promises 1, 2, 3, 4, 5, 9: kept while processes and PostgreSQL are killed with kill -9',
  async () => {
    const { violations, faults, code, story } = await runChaos(options)
    expect(violations, story).toEqual([])
    expect(faults['killed']).toBeGreaterThanOrEqual(20)
    expect(code).toBe(0)
  },
  7 * 60_000,
)

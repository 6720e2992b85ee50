import { expect, it } from 'vitest'
import { describeWithOwnBroker } from '../../rabbitmq/rig.ts'
import { runChaos } from '../run-main.ts'

/** Some 4 minutes by default; `BUSBAR_CHAOS_CLUSTER="--transport rabbitmq --minutes 60"` asks for another run. */
const options =
  process.env['BUSBAR_CHAOS_CLUSTER'] ??
  '--transport rabbitmq --seed 20 --takeovers 6 --faults 14 --minutes 7'

describeWithOwnBroker('promises 1, 2, 3, 4, 5, 9 in a cluster with RabbitMQ', () => {
  it(
    'are kept while processes, PostgreSQL, RabbitMQ and the lines between them fail, takeovers included',
    async () => {
      const { violations, faults, checks, code, story } = await runChaos(options)
      expect(violations, story).toEqual([])
      // Two kills a takeover, and the eight after which something must go on within a bound: a slow machine has no time for all.
      expect(faults['fired']).toBeGreaterThanOrEqual(6 * 2 + 8)
      for (const kind of ['kill', 'stop', 'isolate', 'restart', 'alarm'])
        expect(faults[kind], kind).toBeGreaterThan(0)
      expect(checks['zombies']).toBeGreaterThan(0)
      expect(code).toBe(0)
    },
    10 * 60_000,
  )
})

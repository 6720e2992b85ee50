import { expect, it } from 'vitest'
import { describeWithOwnBroker } from '../../rabbitmq/rig.ts'
import { runChaos } from '../run-main.ts'

/** At most 4.8 minutes by default; `BUSBAR_CHAOS_CLUSTER="--transport rabbitmq --minutes 60"` asks for another run. */
const options =
  process.env['BUSBAR_CHAOS_CLUSTER'] ??
  '--transport rabbitmq --seed 20 --takeovers 10 --faults 24 --minutes 4.8'

describeWithOwnBroker('promises 1, 2, 3, 4, 5, 9 in a cluster with RabbitMQ', () => {
  it(
    'are kept while processes, PostgreSQL, RabbitMQ and the lines between them fail, takeovers included',
    async () => {
      const { violations, faults, checks, code, story } = await runChaos(options)
      expect(violations, story).toEqual([])
      expect(faults['fired']).toBeGreaterThanOrEqual(30)
      expect(checks['zombies']).toBeGreaterThan(0)
      expect(code).toBe(0)
    },
    7 * 60_000,
  )
})

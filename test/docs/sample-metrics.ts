import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { Metrics } from '../../src/telemetry/metrics.ts'

/** Metrics whose figures have one of each. */
export function sampleMetrics(): Metrics {
  return createMetrics(
    async () => ({
      groups: [{ group: 'g', pending: 1, oldestSeconds: 1 }],
      systems: [{ system: 's', breaker: 'open' }],
      open: [{ flow: 'f', parked: 1, retrying: 1 }],
      problems: { open: 1, acknowledged: 1 },
      outbox: { waiting: 1, oldestSeconds: 1, rejected: 1 },
      expectations: [{ name: 'e', open: 1, overdue: 1 }],
      relay: { behind: 1, oldestSeconds: 1 },
      storage: {
        tables: [{ table: 'events', bytes: 1 }],
        oldestTransactionSeconds: 1,
        walHeldBytes: 1,
        disk: { freeBytes: 1, sizeBytes: 2 },
      },
    }),
    { standing: () => ({ connected: true, partitions: [{ group: 'g', part: 0, carries: true }] }) },
  )
}

import type { FlowCode } from '../control/flow-code.ts'
import type { Config } from '../define/config.ts'
import { callsOf } from '../define/flow-builder.ts'
import { idempotencyKey } from '../engine/attempt-identity.ts'
import { systemClock } from '../engine/clock.ts'
import { previewRuns } from '../engine/preview.ts'

/** The code of the configuration's flows, as the control API needs it. */
export function flowCode(config: Pick<Config, 'name' | 'flows' | 'redact'>): FlowCode {
  return (name) => {
    const flow = config.flows.find((each) => each.name === name)
    if (!flow) return undefined
    const systems = new Map(callsOf(flow).map(({ system }) => [system.name, system.settings]))
    return {
      keyLives: [...systems].map(([system, { keyLifeMs }]) => ({ system, lifeMs: keyLifeMs })),
      limits: [...systems].map(([system, { concurrency, rate }]) => ({ system, concurrency, rate })),
      preview: (runs) =>
        previewRuns(flow, runs, { hub: config.name, clock: systemClock, redact: config.redact }),
      idempotencyKey: ({ event, keyGen, compensating, step, keyNo }) =>
        idempotencyKey(config.name, {
          run: { flow, event, keyGen, compensating },
          step: { definition: { name: step } },
          keyNo,
        }),
    }
  }
}

import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import { within } from '../define/nested-maps.ts'

type Outcome = 'stored' | 'duplicate' | 'ignored' | 'refused'

/** What became of messages of a source. */
export interface DoorMetrics {
  taken(outcome: Outcome, count?: number): void
}

/** The same of a source that has a connection of its own. */
export interface SourceMetrics extends DoorMetrics {
  connected(is: boolean): void
}

/**
 * What has come in, by source: one of the configuration's, or `/events`. The time of the last message begins with the start
 * of the process, so that a source that stays silent is seen to; what was refused does not count as a sign of life.
 */
export function sourceMetrics(registry: Registry): {
  readonly source: (name: string) => SourceMetrics
  readonly door: (name: string) => DoorMetrics
} {
  const registers = [registry]
  const taken = new Map<string, Map<Outcome, number>>()
  new Counter({
    name: 'busbar_source_messages_total',
    help: 'Messages of a source: stored, duplicate, ignored, or refused for good',
    labelNames: ['source', 'outcome'],
    registers,
    collect() {
      for (const [source, counted] of taken)
        for (const [outcome, count] of counted) {
          this.inc({ source, outcome }, count)
          counted.set(outcome, 0)
        }
    },
  })
  const lastAt = new Map<string, number>()
  const last = new Gauge({
    name: 'busbar_source_last_message_timestamp_seconds',
    help: 'When a source last sent something that was not refused, or when this process started, in seconds since 1970',
    labelNames: ['source'],
    registers,
    collect() {
      for (const [source, at] of lastAt) this.set({ source }, at / 1_000)
    },
  })
  const up = new Gauge({
    name: 'busbar_source_connected',
    help: 'Whether a source has its connection: 0 or 1',
    labelNames: ['source'],
    registers,
  })
  const door = (source: string): DoorMetrics => {
    const counted = within(taken, source)
    lastAt.set(source, Date.now())
    last.set({ source }, Date.now() / 1_000)
    return {
      taken(outcome, count = 1) {
        counted.set(outcome, (counted.get(outcome) ?? 0) + count)
        if (outcome !== 'refused') lastAt.set(source, Date.now())
      },
    }
  }
  return {
    door,
    source(source) {
      up.set({ source }, 0)
      return { ...door(source), connected: (is) => up.set({ source }, is ? 1 : 0) }
    },
  }
}

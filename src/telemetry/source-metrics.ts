import type { Registry } from 'prom-client'
import { Gauge } from 'prom-client'
import { PlainCounter } from './plain-counter.ts'

/** What became of messages of a source. */
export interface DoorMetrics {
  taken(outcome: 'stored' | 'duplicate' | 'ignored' | 'refused', count?: number): void
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
  const messages = new PlainCounter({
    name: 'busbar_source_messages_total',
    help: 'Messages of a source: stored, duplicate, ignored, or refused for good',
    labelNames: ['source', 'outcome'],
    registry,
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
    lastAt.set(source, Date.now())
    last.set({ source }, Date.now() / 1_000)
    return {
      taken(outcome, count = 1) {
        messages.add([source, outcome], count)
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

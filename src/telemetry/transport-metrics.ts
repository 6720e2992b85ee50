import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { TransportStanding } from '../define/transport.ts'
import type { JournalFigures, Metrics } from './metrics.ts'

/** Of the relay: what this process has carried, and how far all of it is behind, as the journal says. */
export function relayMetrics(registry: Registry): {
  readonly carried: Metrics['carried']
  readonly figures: (figures: JournalFigures['relay']) => void
} {
  const registers = [registry]
  const carried = new Counter({
    name: 'busbar_relay_events_total',
    help: 'Events that this process has carried to the broker',
    registers,
  })
  const position = new Gauge({
    name: 'busbar_relay_position',
    help: 'Position in the log up to which this process has carried events to the broker',
    registers,
  })
  const behind = new Gauge({
    name: 'busbar_relay_lag_events',
    help: 'Events of the log that no relay has carried to the broker yet',
    registers,
  })
  const oldest = new Gauge({
    name: 'busbar_relay_lag_seconds',
    help: 'Age of the oldest of them',
    registers,
  })
  return {
    carried(events, to) {
      carried.inc(events)
      position.set(to)
    },
    figures(figures) {
      for (const each of [behind, oldest]) if (figures === null) each.remove()
      if (figures === null) return
      behind.set(figures.behind)
      oldest.set(figures.oldestSeconds)
    },
  }
}

/** Of the broker, as this process sees it. */
export function transportMetrics(registry: Registry): (standing: TransportStanding | undefined) => void {
  const registers = [registry]
  const connected = new Gauge({
    name: 'busbar_transport_connected',
    help: 'Whether this process has its connections to the broker: 0 or 1; absent while it needs none',
    registers,
  })
  const carried = new Gauge({
    name: 'busbar_group_carried',
    help: 'Lane groups that this process runs: 1 the broker carries their events, 0 they follow the log',
    labelNames: ['group'],
    registers,
  })
  return (standing) => {
    if (standing?.connected === undefined) connected.remove()
    else connected.set(standing.connected ? 1 : 0)
    carried.reset()
    for (const [group, own] of Map.groupBy(standing?.partitions ?? [], (each) => each.group))
      carried.set({ group }, own.every(({ carries }) => carries) ? 1 : 0)
  }
}

import { cpus, release } from 'node:os'
import type { Latency, Outage, Saturation } from './measure.ts'

/** All that one run of the bench has found. */
export interface Result {
  readonly pending: number
  readonly seconds: number
  readonly workers: number
  readonly transport: string
  readonly saturation: Saturation
  readonly latency: Latency
  readonly outage: (Outage & { readonly failedAttempts: number }) | undefined
  readonly peer: Saturation | undefined
  readonly amqp:
    { readonly saturation: Saturation; readonly latency: Latency; readonly batch: number } | undefined
  readonly process: { readonly single: Runs; readonly three: Runs; readonly share: number } | undefined
  readonly repeats: number
}

export interface Runs {
  readonly runsPerSecond: number
  readonly cpuMicrosPerRun: Saturation['cpuMicrosPerEvent']
}

const whole = (value: number) => value.toFixed(0)

/** One line of JSON, or a table for people. */
export function reportOf(result: Result, { json }: { json: boolean }): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.version}`
  if (json) return `${JSON.stringify({ machine, ...result })}\n`
  const { saturation, latency, repeats, workers } = result
  const lines = [
    `on ${machine}; ${result.pending} events pending; transport ${result.transport}; ${workers === 0 ? 'one process' : `an ingress and ${workers} worker${workers === 1 ? '' : 's'}`}`,
    `saturation   ${ratesOf(saturation)}`,
    `latency      ${latencyOf(latency)}`,
    `CPU          ${cpuOf(saturation, 'busbar')}`,
    `memory       ${whole(saturation.memoryMb)} MB busbar${workers === 0 ? '' : ', the largest process'}`,
    `refused      ${saturation.refused} events at saturation; ${repeats} deliveries repeated, not counted above`,
    ...peerLines(result),
    ...processLines(result),
    ...outageLines(result),
  ]
  return `${lines.join('\n')}\n`
}

function ratesOf({ acceptedPerSecond, deliveriesPerSecond, drainMs }: Saturation): string {
  return `${whole(acceptedPerSecond)} events/s accepted, ${whole(deliveriesPerSecond)} deliveries/s (drained ${whole(drainMs)} ms after the last)`
}

function latencyOf({ p50, p99, max, events }: Latency): string {
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms from publish to last delivery at 200 events/s (${events} events)`
}

/** A broker that idles beside costs next to nothing, and is left out. */
function cpuOf({ cpuMicrosPerEvent: { own, postgres, rabbitmq } }: Saturation, name: string): string {
  const broker = rabbitmq < 5 ? '' : `, ${whole(rabbitmq)} µs/event RabbitMQ`
  return `${whole(own)} µs/event ${name}, ${whole(postgres)} µs/event PostgreSQL${broker}`
}

function peerLines({ peer, amqp, saturation }: Result): string[] {
  const lines: string[] = []
  if (peer)
    lines.push(
      `direct calls ${whole(peer.acceptedPerSecond)} events/s, ${whole(peer.deliveriesPerSecond)} deliveries/s, ${whole(peer.cpuMicrosPerEvent.own)} µs/event: nothing stored, no order, no retries`,
    )
  if (amqp) {
    const times = saturation.deliveriesPerSecond / amqp.saturation.deliveriesPerSecond
    lines.push(
      `by hand      ${ratesOf(amqp.saturation)}: event table and RabbitMQ, no order; busbar delivers ${times.toFixed(1)} times as much`,
      `             ${latencyOf(amqp.latency)}`,
      `             ${cpuOf(amqp.saturation, 'its process')}; ${whole(amqp.saturation.memoryMb)} MB; ${amqp.saturation.refused} refused`,
    )
  }
  return lines
}

function processLines({ process: flows }: Result): string[] {
  if (!flows) return []
  const micros = ({ cpuMicrosPerRun: cpu }: Runs) => `${whole(cpu.own)} + ${whole(cpu.postgres)} µs`
  return [
    `process      ${whole(flows.three.runsPerSecond)} runs/s of a flow of three steps (${micros(flows.three)} busbar + PostgreSQL), ${whole(flows.single.runsPerSecond)} runs/s of a flow of one (${micros(flows.single)}), each alone: ${whole(100 * flows.share)} %`,
  ]
}

function outageLines({ outage }: Result): string[] {
  if (!outage) return []
  return [
    `outage       before ${outage.healthyPerSecond.map(whole).join(' / ')} deliveries/s per target; with the first down ${outage.downPerSecond.map(whole).join(' / ')}; drained ${(outage.drainMs / 1_000).toFixed(1)} s after its return; ${outage.failedAttempts} failed attempts recorded`,
  ]
}

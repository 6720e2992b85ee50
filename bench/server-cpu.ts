import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = 100

/** Servers by the names of their processes. */
const processes = { postgres: 'postgres', rabbitmq: 'beam.smp' }

/** CPU seconds that all processes of a server on this machine have used, ended ones included as far as their parents know. Linux only. */
export function cpuSecondsOf(server: keyof typeof processes): number {
  let ticks = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      if (!stat.includes(`(${processes[server]})`)) continue
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number)
      ticks += (fields[11] ?? 0) + (fields[12] ?? 0)
    } catch {
      // it has ended meanwhile
    }
  }
  return ticks / ticksPerSecond
}

/** What Linux knows of processes: /proc. */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

const ticksPerSecond = 100

interface Process {
  readonly pid: number
  readonly parent: number
  readonly name: string
  /** Seconds of CPU: its own, and of its children that have ended. */
  readonly seconds: number
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // it has ended meanwhile, or belongs to another user
  }
}

function processOf(pid: string): Process | undefined {
  const stat = readOrNothing(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  const end = stat.lastIndexOf(')')
  const fields = stat.slice(end + 2).split(' ')
  const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0)
  return {
    pid: Number(pid),
    parent: Number(fields[1]),
    name: stat.slice(stat.indexOf('(') + 1, end),
    seconds: ticks / ticksPerSecond,
  }
}

function allProcesses(): Process[] {
  return readdirSync('/proc').flatMap((pid) => (/^\d+$/.test(pid) ? (processOf(pid) ?? []) : []))
}

/** The roots and all that they have started, without what is listed as belonging to others. */
function treeOf(
  roots: readonly number[],
  all: readonly Process[],
  others: readonly number[] = [],
): Process[] {
  const tree = all.filter(({ pid }) => roots.includes(pid))
  const children = Map.groupBy(all, ({ parent }) => parent)
  for (const each of tree)
    tree.push(...(children.get(each.pid) ?? []).filter(({ pid }) => !others.includes(pid)))
  return tree
}

/**
 * Seconds of CPU that these processes and all that they have started have used, one figure for each group of roots; a root
 * counts in its own group only.
 */
export function cpuSecondsOf<Group extends string>(
  groups: Readonly<Record<Group, readonly number[]>>,
): Record<Group, number> {
  const all = allProcesses()
  const every = Object.values<readonly number[]>(groups).flat()
  const entries = Object.entries<readonly number[]>(groups).map(([group, roots]) => [
    group,
    treeOf(roots, all, every).reduce((sum, { seconds }) => sum + seconds, 0),
  ])
  return Object.fromEntries(entries) as Record<Group, number>
}

/** Megabytes in memory of these processes and all that they have started; what several share counts once. */
export function memoryMbOf(roots: readonly number[]): number {
  const kilobytes = treeOf(roots, allProcesses()).map(({ pid }) => {
    const shares = readOrNothing(`/proc/${pid}/smaps_rollup`)
    const resident = readOrNothing(`/proc/${pid}/status`)
    return Number(
      /^Pss: +(\d+)/m.exec(shares ?? '')?.[1] ?? /^VmRSS:\s+(\d+)/m.exec(resident ?? '')?.[1] ?? 0,
    )
  })
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1_024
}

export function parentOf(pid: number): number {
  return processOf(String(pid))?.parent ?? 0
}

/** Processes of this name. */
export function named(name: string): number[] {
  return allProcesses().flatMap((each) => (each.name === name ? each.pid : []))
}

/** Processes whose command line has this part, without those that one of them has started. */
export function startedWith(part: string): number[] {
  const all = allProcesses().filter(({ pid }) => readOrNothing(`/proc/${pid}/cmdline`)?.includes(part))
  return all.flatMap(({ pid, parent }) => (all.some((other) => other.pid === parent) ? [] : pid))
}

/** Seconds of CPU that all processors together have been busy with anything. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, soft = 0, stolen = 0] = (
    readOrNothing('/proc/stat')?.split('\n')[0] ?? ''
  )
    .split(/ +/)
    .slice(1)
    .map(Number)
  return (user + nice + system + interrupts + soft + stolen) / ticksPerSecond
}

export const processors = cpus().length

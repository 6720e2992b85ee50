import type { OwnerChange, WorkerChange } from './witness.ts'

/** A request as a target saw it, with the partition that it was for. */
export interface OwnedRequest {
  readonly sink: string
  readonly event: string
  /** Process id of the sender. */
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly wall: number
  readonly group: string
  readonly khash: number
}

/** Targets count whole milliseconds, and a trigger's moment lies a little before its commit. */
const tolerance = 3

/**
 * K6, at the targets: each request came from the process that owned the partition of its event at that moment, and from
 * none whose worker had its death mark. All processes and the database share one clock.
 */
export function judgeOwners(facts: {
  readonly requests: readonly OwnedRequest[]
  readonly owners: readonly OwnerChange[]
  readonly workers: readonly WorkerChange[]
}): { readonly violations: readonly string[]; readonly checked: Readonly<Record<string, number>> } {
  const { requests, owners, workers } = facts
  const lives = livesOf(workers)
  const pids = new Map(workers.map(({ worker, pid }) => [worker, pid]))
  const byPart = Map.groupBy(owners, ({ group, part }) => `${group}/${part}`)
  const partsOf = new Map(owners.map(({ group, parts }) => [group, parts]))
  const violations = requests.flatMap((request) => {
    const { sink, event, pid, group, khash } = request
    const part = khash % (partsOf.get(group) ?? 1)
    const changes = byPart.get(`${group}/${part}`) ?? []
    if (!(lives.get(pid) ?? []).some((life) => covers(life, request)))
      return [`D4 ${sink}: ${event} was sent by process ${pid}, whose worker was dead`]
    const owned = changes.some(
      ({ owner, at }, index) =>
        owner !== null &&
        pids.get(owner) === pid &&
        covers({ from: at, to: changes[index + 1]?.at ?? Number.POSITIVE_INFINITY }, request),
    )
    return owned
      ? []
      : [`D4 ${sink}: ${event} was sent by process ${pid}, which did not own ${group}/${part}`]
  })
  const dead = workers.filter(({ what }) => what === 'dead')
  const rejoined = dead.filter(({ pid, at }) =>
    workers.some((other) => other.what === 'joined' && other.pid === pid && other.at > at),
  )
  return {
    violations,
    checked: {
      requestsOfOwners: requests.length,
      ownerChanges: owners.length,
      deathMarks: dead.length,
      // Their processes lived on: stopped, or cut off from the database.
      zombies: rejoined.length,
    },
  }
}

interface Span {
  readonly from: number
  readonly to: number
}

function covers({ from, to }: Span, { wall }: OwnedRequest): boolean {
  return wall >= from - tolerance && wall <= to + tolerance
}

/** When the workers of each process were members, under whatever name. */
function livesOf(workers: readonly WorkerChange[]): ReadonlyMap<number, readonly Span[]> {
  const lives = new Map<number, Span[]>()
  for (const { worker, pid, at, what } of workers) {
    if (what !== 'joined') continue
    const end = workers.find((other) => other.worker === worker && other.what !== 'joined')
    lives.set(pid, [...(lives.get(pid) ?? []), { from: at, to: end?.at ?? Number.POSITIVE_INFINITY }])
  }
  return lives
}

import type { GroupState } from '../journal/port.ts'

/** What is known when partitions are shared out: the same for all who look at the same moment. */
export interface ShareFacts {
  readonly me: string
  readonly states: readonly GroupState[]
  /** Live workers with the lane groups that they would own partitions of; null: as this one. */
  readonly servers: ReadonlyMap<string, readonly string[] | null>
  /** The lane groups that this worker would own partitions of. */
  readonly mine: ReadonlySet<string>
}

/** What this worker is to do about it. */
export interface ShareOut {
  readonly take: readonly GroupState[]
  /** One receiver for each partition that is to be given up; which one it is, its owner knows best. */
  readonly give: readonly string[]
  /** Others are to give some up for this worker. */
  readonly receives: boolean
}

/** So many moves are thought out at a time; the rest follows when these are done. */
const maxMoves = 16

/**
 * Shares partitions out evenly: free ones to who has fewest, then from who has most to who has fewest as long as they differ by
 * two or more. Every worker works out the whole of it from what it has read, by one order, and does its own part: so
 * several neither grab the same one nor give up more than are wanted.
 */
export function shareOut(facts: ShareFacts): ShareOut {
  const table = new Table(facts)
  const take = facts.states.filter(
    (state) => state.owner === null && state.parts === state.wanted && table.assign(state.group) === facts.me,
  )
  const moves: Move[] = []
  for (let move = table.move(); move && moves.length < maxMoves; move = table.move()) moves.push(move)
  return {
    take,
    give: moves.filter(({ from }) => from === facts.me).map(({ to }) => to),
    receives: moves.some(({ to }) => to === facts.me),
  }
}

interface Move {
  readonly from: string
  readonly to: string
}

/** Who has how many partitions, and of what. */
class Table {
  readonly #serves: ReadonlyMap<string, ReadonlySet<string>>
  readonly #counts = new Map<string, number>()
  /** By worker and group: what it owns now. */
  readonly #holdings = new Map<string, Map<string, number>>()

  constructor({ me, servers, mine, states }: ShareFacts) {
    const all = [...servers].sort(([one], [other]) => (one < other ? -1 : 1))
    this.#serves = new Map(
      all.map(([id, groups]) => [id, id === me || groups === null ? mine : new Set(groups)]),
    )
    for (const id of this.#serves.keys()) {
      this.#counts.set(id, 0)
      this.#holdings.set(id, new Map())
    }
    for (const { owner, group } of states) if (owner !== null) this.#add(owner, group, 1)
  }

  /** Somebody gets a free partition of this group: who has fewest, of all and then of this group. */
  assign(group: string): string | undefined {
    let best: string | undefined
    for (const [id, serves] of this.#serves)
      if (serves.has(group) && (best === undefined || this.#hasFewer(id, best, group))) best = id
    if (best !== undefined) this.#add(best, group, 1)
    return best
  }

  /** The most needed move, done; undefined when all is even, as far as it can be. */
  move(): Move | undefined {
    let best: (Move & { readonly group: string }) | undefined
    let most = 1
    for (const [from, had] of this.#counts)
      for (const [to, has] of this.#counts) {
        if (had - has <= most) continue
        const group = this.#movable(from, to)
        if (group === undefined) continue
        best = { from, to, group }
        most = had - has
      }
    if (!best) return undefined
    this.#add(best.from, best.group, -1)
    this.#add(best.to, best.group, 1)
    return { from: best.from, to: best.to }
  }

  #movable(from: string, to: string): string | undefined {
    const serves = this.#serves.get(to)
    for (const [group, count] of this.#holdings.get(from) ?? [])
      if (count > 0 && serves?.has(group)) return group
    return undefined
  }

  #hasFewer(one: string, other: string, group: string): boolean {
    const difference = (this.#counts.get(one) ?? 0) - (this.#counts.get(other) ?? 0)
    if (difference !== 0) return difference < 0
    return (this.#holdings.get(one)?.get(group) ?? 0) < (this.#holdings.get(other)?.get(group) ?? 0)
  }

  #add(worker: string, group: string, by: number): void {
    const holdings = this.#holdings.get(worker)
    if (!holdings) return
    this.#counts.set(worker, (this.#counts.get(worker) ?? 0) + by)
    holdings.set(group, (holdings.get(group) ?? 0) + by)
  }
}

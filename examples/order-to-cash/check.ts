import type { Sent, ShopRecord } from './shop.ts'
import type { Arrival } from './simulators/book.ts'

/** What one system took, in the order in which it took effect. */
export interface SystemRecord {
  readonly name: string
  readonly arrivals: readonly Arrival[]
}

/** Order numbers with something wrong in one system. */
export interface SystemFindings {
  readonly name: string
  /** At least one revision never arrived. */
  readonly missing: readonly string[]
  /** At least one revision took effect more than once. */
  readonly duplicated: readonly string[]
  /** An older revision took effect after a newer one. */
  readonly outOfOrder: readonly string[]
  /** The shop never sold it. */
  readonly unknown: readonly string[]
}

/** What a run left behind. */
export interface Findings {
  readonly systems: readonly SystemFindings[]
  /** Orders on which the shop and the systems do not all say the same: latest revision, total, number of bookings. */
  readonly disagree: readonly string[]
  /** From the shop's last message to the last effect; undefined when something is wrong still. */
  readonly consistentAfterMs: number | undefined
}

/** Holds what the systems took against what the shop sold. Pure. */
export function check(shop: ShopRecord, systems: readonly SystemRecord[]): Findings {
  const sold = Map.groupBy(shop.sent, ({ number }) => number)
  const found = systems.map(({ name, arrivals }) => findingsOf(name, { sold, arrivals }))
  const disagree = disagreements(sold, systems)
  const clean = disagree.length === 0 && found.every(isSound)
  return {
    systems: found,
    disagree,
    consistentAfterMs: clean ? lastEffectAfter(shop.lastSentAt, systems) : undefined,
  }
}

/** Whether nothing at all is wrong. */
export function isConsistent(findings: Findings): boolean {
  return findings.consistentAfterMs !== undefined
}

type Sold = ReadonlyMap<string, readonly Sent[]>

function findingsOf(
  name: string,
  { sold, arrivals }: { sold: Sold; arrivals: readonly Arrival[] },
): SystemFindings {
  const taken = Map.groupBy(arrivals, ({ reference }) => reference)
  const numbers = [...sold.keys()]
  const revisionsOf = (number: string) => (taken.get(number) ?? []).map(({ revision }) => revision)
  return {
    name,
    missing: numbers.filter((number) => {
      const there = new Set(revisionsOf(number))
      return sold.get(number)?.some(({ revision }) => !there.has(revision))
    }),
    duplicated: numbers.filter((number) => new Set(revisionsOf(number)).size < revisionsOf(number).length),
    outOfOrder: numbers.filter((number) =>
      revisionsOf(number).some((revision, at, all) => revision < (all[at - 1] ?? 0)),
    ),
    unknown: [...taken.keys()].filter((number) => !sold.has(number)),
  }
}

function isSound({ missing, duplicated, outOfOrder, unknown }: SystemFindings): boolean {
  return [missing, duplicated, outOfOrder, unknown].every((numbers) => numbers.length === 0)
}

function disagreements(sold: Sold, systems: readonly SystemRecord[]): readonly string[] {
  const views = [
    latestOf([...sold.values()].flat().map(({ number, ...rest }) => ({ ...rest, reference: number }))),
    ...systems.map(({ arrivals }) => latestOf(arrivals)),
  ]
  return [...sold.keys()].filter((number) => new Set(views.map((view) => view.get(number))).size > 1)
}

/** What a party says of each order, in one comparable line: its last word, and how often it booked something. */
function latestOf(
  entries: readonly Pick<Arrival, 'reference' | 'revision' | 'totalCents'>[],
): Map<string, string> {
  const view = new Map<string, string>()
  for (const [reference, own] of Map.groupBy(entries, (entry) => entry.reference)) {
    const last = own.at(-1)
    view.set(reference, `revision ${last?.revision}, ${last?.totalCents} cents, ${own.length} bookings`)
  }
  return view
}

function lastEffectAfter(lastSentAt: number, systems: readonly SystemRecord[]): number {
  const times = systems.flatMap(({ arrivals }) => arrivals.map(({ at }) => at))
  return Math.max(0, times.reduce((latest, at) => Math.max(latest, at), 0) - lastSentAt)
}

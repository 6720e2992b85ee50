import type { LinkRow } from '../../src/journal/port.ts'
import { runState } from '../../src/journal/port.ts'
import type { ExternalName, LinkName, LinksJournal, UndoneLinks } from '../../src/journal/port-links.ts'
import type { Flush } from '../../src/journal/port.ts'
import type { LinksUnderTest, RefusedLink } from '../../src/testing/links-under-test.ts'
import type { MemoryStore } from './memory-store.ts'

/** A row of `links`; null: not known, waited for, or taken away. */
interface MemoryLink extends LinkName {
  external: string | null
  /** The step that gave it. */
  by: string | null
  /** A person has changed it since. */
  setByPerson: boolean
}

interface MemoryWait extends LinkName {
  readonly group: string
  readonly key: string
  due: boolean
}

/** Cross-references in memory; see 0011-links.sql, which it follows. */
export class MemoryLinks {
  readonly rows = new Map<string, MemoryLink>()
  readonly waits = new Map<string, MemoryWait>()
  readonly conflicts = new Map<string, RefusedLink & { readonly by: string }>()
  readonly #byExternal = new Map<string, MemoryLink>()

  external(name: LinkName): string | null {
    return this.rows.get(nameOf(name))?.external ?? null
  }

  holder({ kind, system, external }: ExternalName): MemoryLink | undefined {
    return this.#byExternal.get(JSON.stringify([system, external, kind]))
  }

  row(name: LinkName): MemoryLink {
    const { kind, id, system } = name
    const known = this.rows.get(nameOf(name))
    if (known) return known
    const fresh: MemoryLink = { kind, id, system, external: null, by: null, setByPerson: false }
    this.rows.set(nameOf(name), fresh)
    return fresh
  }

  change(row: MemoryLink, external: string | null): void {
    if (row.external !== null) this.#byExternal.delete(JSON.stringify([row.system, row.external, row.kind]))
    row.external = external
    if (external === null) return
    this.#byExternal.set(JSON.stringify([row.system, external, row.kind]), row)
    for (const wait of this.waits.values()) if (nameOf(wait) === nameOf(row)) wait.due = true
  }

  /** Nothing is known of it, and nobody waits for it: no row. */
  dropIfEmpty(row: MemoryLink): void {
    const awaited = [...this.waits.values()].some((wait) => nameOf(wait) === nameOf(row))
    if (row.external === null && row.by === null && !row.setByPerson && !awaited)
      this.rows.delete(nameOf(row))
  }
}

function nameOf({ kind, id, system }: LinkName): string {
  return JSON.stringify([kind, id, system])
}

/** What a flush says of links, and of who waits for them. */
export function writeLinks(store: MemoryStore, { links, linkWaits, group }: Flush, now: number): void {
  for (const link of links) if ('undone' in link) takeBack(store, link)
  for (const link of links) if (!('undone' in link)) put(store, link, now)
  for (const { key, ...name } of linkWaits) {
    const row = store.links.row(name)
    const id = `${nameOf(name)} ${group} ${key}`
    const due = row.external !== null || (store.links.waits.get(id)?.due ?? false)
    store.links.waits.set(id, { kind: row.kind, id: row.id, system: row.system, group, key, due })
  }
}

function producer({ flow, seq, gen, step }: LinkRow | UndoneLinks): string {
  return JSON.stringify([flow, seq, gen, step])
}

function put(store: MemoryStore, link: LinkRow, now: number): void {
  const own = store.links.rows.get(nameOf(link))
  const by = producer(link)
  if (own?.external === link.external || (own?.setByPerson && own.by === by)) return
  const holder = store.links.holder(link)
  if ((own?.external ?? null) !== null || holder) return refuse(store, link, { own, holder, now })
  const row = store.links.row(link)
  row.by = by
  row.setByPerson = false
  store.links.change(row, link.external)
}

function refuse(
  store: MemoryStore,
  link: LinkRow,
  held: { own: MemoryLink | undefined; holder: MemoryLink | undefined; now: number },
): void {
  const { kind, id, system, external } = link
  const key = JSON.stringify([kind, id, system, external])
  if (store.links.conflicts.get(key)?.by === producer(link)) return
  const heldExternal = held.own?.external ?? null
  const heldId = held.holder?.id ?? null
  store.links.conflicts.set(key, { kind, id, system, external, heldExternal, heldId, by: producer(link) })
  const fp = problemOf(link)
  const known = store.problems.get(fp)
  const state = known && known.state !== 'resolved' ? known.state : 'open'
  store.problems.set(fp, {
    fp,
    system,
    code: 'link.conflict',
    title: `${kind} ${id} in ${system}`,
    lastSeen: held.now,
    state,
  })
}

function problemOf(name: LinkName): string {
  return `link.conflict ${nameOf(name)}`
}

function takeBack(store: MemoryStore, undone: UndoneLinks): void {
  for (const row of store.links.rows.values())
    if (row.by === producer(undone) && !row.setByPerson) store.links.change(row, null)
}

/** The role of the journal. */
export function memoryLinks(store: MemoryStore, now: () => number): LinksJournal {
  const { links } = store
  const holds = (lease: { group: string; part: number; epoch: number }) =>
    store.part(lease.group, lease.part)?.epoch === lease.epoch
  return {
    externalIds: async (names) => names.map((name) => links.external(name)),
    canonicalIds: async (names) => names.map((name) => links.holder(name)?.id ?? null),

    async releaseLinked({ limit, ...lease }) {
      const due = [...links.waits].filter(([, wait]) => wait.group === lease.group && wait.due)
      const keys = [...new Set(due.map(([, { key }]) => key))].slice(0, limit)
      if (keys.length === 0) return 0
      if (!holds(lease)) return 'lost'
      for (const key of keys) wake(store, lease.group, { key, now: now() })
      for (const [id, { key }] of due) if (keys.includes(key)) links.waits.delete(id)
      return keys.length
    },

    async tidyLinkWaits({ limit, ...lease }) {
      const over = [...links.waits].filter(
        ([, wait]) => wait.group === lease.group && !mayWait(store, lease.group, wait.key),
      )
      const keys = [...new Set(over.map(([, { key }]) => key))].slice(0, limit)
      if (keys.length === 0) return 0
      if (!holds(lease)) return 'lost'
      const forgotten = over.filter(([, { key }]) => keys.includes(key))
      for (const [id] of forgotten) links.waits.delete(id)
      for (const [, wait] of forgotten) {
        const row = links.rows.get(nameOf(wait))
        if (row) links.dropIfEmpty(row)
      }
      return forgotten.length
    },
  }
}

function wake(store: MemoryStore, group: string, { key, now }: { key: string; now: number }): void {
  for (const run of store.groups.get(group)?.lanes.get(key)?.open ?? [])
    if (run.awaits !== null && (run.state === runState.waiting || run.state === runState.retrying))
      store.change(run, { nextAt: now })
  store.settle(group, key, now)
}

function mayWait(store: MemoryStore, group: string, key: string): boolean {
  const lane = store.groups.get(group)?.lanes.get(key)
  return lane?.open.some((run) => run.awaits !== null || run.state === runState.running) ?? false
}

/** What people do to links, and what they have come to. */
export function memoryLinksUnderTest(store: MemoryStore): LinksUnderTest {
  const { links } = store
  return {
    async set({ external, replace = false, ...name }) {
      const held = links.external(name)
      if (held === external) return 'same'
      if (links.holder({ ...name, external })) return 'taken'
      if (held !== null && !replace) return 'held'
      const row = links.row(name)
      row.setByPerson = true
      links.change(row, external)
      for (const [key, conflict] of links.conflicts)
        if (nameOf(conflict) === nameOf(name)) links.conflicts.delete(key)
      const problem = store.problems.get(problemOf(name))
      if (problem?.state === 'open' || problem?.state === 'acknowledged') problem.state = 'resolved'
      return 'done'
    },
    async remove(name) {
      const row = links.rows.get(nameOf(name))
      if (row?.external == null) return false
      row.setByPerson = row.by !== null
      links.change(row, null)
      links.dropIfEmpty(row)
      return true
    },
    all: async () =>
      [...links.rows.values()].flatMap(({ kind, id, system, external }) =>
        external === null ? [] : [{ kind, id, system, external }],
      ),
    conflicts: async () => [...links.conflicts.values()].map(({ by: _by, ...conflict }) => conflict),
    waits: async (group) =>
      [...links.waits.values()]
        .filter((wait) => wait.group === group)
        .map(({ group: _group, ...wait }) => wait)
        .sort((one, other) => (one.key < other.key ? -1 : 1)),
    rows: async () => links.rows.size,
  }
}

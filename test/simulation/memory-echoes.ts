import type {
  EchoDecision,
  EchoJournal,
  EchoVerdict,
  OutstandingWrite,
  WriteName,
  WriteRegistration,
} from '../../src/journal/port-echoes.ts'
import type { MemoryStore } from './memory-store.ts'

/** A write as the table `echoes` has it. */
export interface MemoryWrite extends Omit<OutstandingWrite, 'writer'> {
  readonly name: WriteName
  readonly token: string
  readonly earlier: boolean
  readonly expiresAt: number
}

/** A recognised event as the table `echo_verdicts` has it. */
export type MemoryVerdict = Omit<EchoVerdict, 'writer'> & { readonly name: WriteName }

const monthMs = 30 * 86_400_000

/** Writes and their echoes, over a store in memory; see 0016-echoes.sql, which it follows. */
export function memoryEchoes(store: MemoryStore, now: () => number): EchoJournal {
  const writer = (name: WriteName) => ({ ...name, flowName: store.flow(name.flow)?.name ?? '' })
  const ofIds = (ids: readonly number[]) => [...store.writes].filter(([, { id }]) => ids.includes(id))
  return {
    async registerWrites(writes) {
      for (const write of writes) register(store, write, now())
    },

    async settleWrites(outcomes) {
      for (const { token, outcome, version, ...name } of outcomes) {
        const known = store.writes.get(keyOf(name))
        if (!known) continue
        const own = token === null || known.token === token
        if (outcome === 'failed' && token === known.token && !known.earlier) store.writes.delete(keyOf(name))
        else
          store.writes.set(keyOf(name), {
            ...known,
            version: version ?? known.version,
            settlesAt: own ? null : known.settlesAt,
          })
      }
    },

    async echoFacts({ seqs, objects }) {
      const asked = new Set(objects.map(({ system, object }) => JSON.stringify([system, object])))
      const known = seqs.flatMap((seq) => store.verdicts.get(seq) ?? [])
      return {
        now: now(),
        verdicts: known.map(({ name, ...verdict }) => ({ ...verdict, writer: writer(name) })),
        writes: [...store.writes.values()]
          .filter(({ system, object }) => asked.has(JSON.stringify([system, object])))
          .sort((one, other) => one.id - other.id)
          .map(({ name, ...write }) => ({ ...write, writer: writer(name) })),
      }
    },

    async decideEchoes(decisions) {
      return decisions.flatMap((decision, place) => (decide(decision) ? [] : place))
    },

    async sweepWrites({ flows, limit }) {
      const positions = flows.flatMap((id) => [...(store.flow(id)?.positions.values() ?? [])])
      const lowest = positions.length > 0 ? Math.min(...positions) : 0
      const last = store.events[store.indexAfter(lowest) - 1]?.receivedAt ?? Number.NEGATIVE_INFINITY
      const read = flows.length === 0 ? now() : last
      const old = [...store.writes]
        .filter(([, { expiresAt }]) => expiresAt < Math.max(read, now() - monthMs))
        .sort(([, one], [, other]) => one.expiresAt - other.expiresAt)
        .slice(0, limit)
      for (const [key] of old) store.writes.delete(key)
      return old.length
    },
  }

  function decide({ echoes, gone, blunted }: EchoDecision): boolean {
    const ids = [...gone, ...blunted]
    if (ofIds(ids).length < ids.length || echoes.some(({ seq }) => store.verdicts.has(seq))) return false
    for (const { seq, write } of echoes)
      for (const [, { system, name }] of ofIds([write])) store.verdicts.set(seq, { seq, system, name })
    for (const [key] of ofIds(gone)) store.writes.delete(key)
    for (const [key, write] of ofIds(blunted)) store.writes.set(key, { ...write, fp: null })
    return true
  }
}

function register(store: MemoryStore, write: WriteRegistration, now: number): void {
  const { system, object, fp, versioned, token, settlesInMs, keepMs, ...name } = write
  const known = store.writes.get(keyOf(name))
  const same = known?.system === system && known.object === object
  store.writes.set(keyOf(name), {
    ...{ id: store.nextWrite++, name, system, object, fp, versioned, token },
    version: known?.version ?? null,
    earlier: known !== undefined && (known.earlier || known.token !== token),
    after: same ? known.after : store.head,
    at: now,
    settlesAt: now + settlesInMs,
    expiresAt: now + keepMs,
  })
}

function keyOf({ flow, seq, gen, step, undo }: WriteName): string {
  return JSON.stringify([flow, seq, gen, step, undo])
}

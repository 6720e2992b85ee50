import { hashSlots } from '../../src/define/transport.ts'
import { BusbarError } from '../../src/errors.ts'
import type { Appended, EventLog, NewEvent, StoredEvent } from '../../src/journal/port.ts'
import { sameFact } from '../../src/journal/same-fact.ts'
import type { MemoryStore } from './memory-store.ts'

/** What the indexes of the real one refuse: an entry of about a third of a page. */
const maxIndexedBytes = 2_600

/** The log over a store in memory; each call is done when it returns its promise. */
export function memoryLog(store: MemoryStore, now: () => number): EventLog {
  return {
    async append(events) {
      for (const event of events) refuseBad(event)
      const prev = store.head
      const receivedAt = Math.max(now(), store.events.at(-1)?.receivedAt ?? 0)
      const results = events.map((event, index) =>
        appendOne(store, { ...event, seq: prev + index + 1, receivedAt }),
      )
      return { prev, head: store.head, receivedAt, results }
    },

    head: async () => store.head,

    async read({ after, upTo, types, part, parts, slots, limit, maxBytes }) {
      const wanted = new Set(types)
      const events: StoredEvent[] = []
      let bytes = 0
      for (let index = store.indexAfter(after); index < store.events.length; index++) {
        const event = store.events[index] as StoredEvent
        if (event.seq > upTo) break
        if (!wanted.has(event.type) || event.khash % parts !== part) continue
        if (slots && !slots.includes(event.khash % hashSlots)) continue
        bytes += Buffer.byteLength(event.data)
        if (events.length > 0 && bytes > maxBytes) return { events, readTo: events.at(-1)?.seq as number }
        events.push(event)
        if (events.length === limit) return { events, readTo: event.seq }
      }
      return { events, readTo: upTo }
    },

    firstOf: async ({ key, types, after }) =>
      store.events.find((event) => event.seq > after && event.key === key && types.includes(event.type)),

    async get(seqs) {
      return [...new Set(seqs)].flatMap((seq) => store.places.get(seq) ?? [])
    },
  }
}

function appendOne(store: MemoryStore, event: StoredEvent): Appended {
  const identity = JSON.stringify([event.source, event.id])
  const first = store.identities.get(identity)
  if (!first) {
    store.events.push(event)
    store.places.set(event.seq, event)
    store.identities.set(identity, event)
    return { kind: 'stored', seq: event.seq }
  }
  if (sameFact(event, first)) return { kind: 'duplicate', seq: first.seq }
  const { source, id, type } = event
  store.refusals.push({ source, id, type, code: 'event.conflict', seq: first.seq })
  return { kind: 'conflict', seq: first.seq }
}

function refuseBad(event: NewEvent): void {
  const { source, id, type, key, data, ext } = event
  if ([source, id, type, key ?? '', data, ext].some((text) => text.includes('\0')))
    throw new BusbarError('event.invalid', `event ${source} has a NUL in it`)
  if (Buffer.byteLength(source + id) > maxIndexedBytes || Buffer.byteLength(key ?? '') > maxIndexedBytes)
    throw new BusbarError(
      'event.invalid',
      `the identity or key of an event of ${source} is too long for its index`,
    )
}

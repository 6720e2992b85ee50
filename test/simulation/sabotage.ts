import type { Journal } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import type { MemoryStore } from './memory-store.ts'

/** A bug on purpose, between a worker and its journal: what the simulation must find. */
export type Sabotage = (journal: Journal, store: MemoryStore, dice: Dice) => Journal

/** The journal with some of its calls changed. */
function changed(journal: Journal, changes: Partial<Journal>): Journal {
  const all = { ...changes, ...(changes.flush && { flushAll: oneByOne(changes.flush) }) }
  return new Proxy(journal, {
    get: (inner, name) => Reflect.get(name in all ? all : inner, name) as unknown,
  })
}

/** What is wrong with one flush is wrong with those of several groups. */
function oneByOne(flush: Journal['flush']): Journal['flushAll'] {
  return async (flushes) => {
    for (const one of flushes) if ((await flush(one)) === 'lost') return 'lost'
    return 'ok'
  }
}

/** Bugs, each with the promise that it breaks. */
export const sabotages: Readonly<Record<string, { readonly breaks: RegExp; readonly sabotage: Sabotage }>> = {
  'an append that says yes and stores nothing': {
    breaks: /^D1/,
    sabotage: (journal, _store, dice) =>
      changed(journal, {
        append: async (events) => {
          if (!dice.chance(0.05)) return journal.append(events)
          const head = await journal.head()
          const results = events.map((_, index) => ({ kind: 'stored', seq: head + index + 1 }) as const)
          return { prev: head, head, receivedAt: 0, results }
        },
      }),
  },
  'a flush that says ok and writes nothing': {
    breaks: /^(D2a|D4|not drained)/,
    sabotage: (journal, _store, dice) =>
      changed(journal, { flush: async (flush) => (dice.chance(0.05) ? 'ok' : journal.flush(flush)) }),
  },
  'a flush that forgets its last success': {
    breaks: /^D2a/,
    sabotage: (journal, _store, dice) =>
      changed(journal, {
        flush: (flush) =>
          journal.flush(dice.chance(0.1) ? { ...flush, done: flush.done.slice(0, -1) } : flush),
      }),
  },
  'a fence that lets every epoch through': {
    breaks: /^D/,
    sabotage: (journal, store) => {
      const now = <T extends { group: string; part: number; epoch: number }>(call: T): T => ({
        ...call,
        epoch: store.part(call.group, call.part)?.epoch ?? 0,
      })
      return changed(journal, {
        flush: (flush) => journal.flush(now(flush)),
        claim: (claim) => journal.claim(now(claim)),
        heartbeat: async (worker, leaseMs, state) => {
          const answer = await journal.heartbeat(worker, leaseMs, state)
          return answer === 'dead' ? { liveWorkers: [worker], expiredWorkers: [] } : answer
        },
      })
    },
  },
  'a reader that skips an event now and then': {
    breaks: /^(D2a|not drained)/,
    sabotage: (journal, _store, dice) =>
      changed(journal, {
        read: async (window) => {
          const result = await journal.read(window)
          return dice.chance(0.1) ? { ...result, events: result.events.slice(1) } : result
        },
      }),
  },
  'a reader that turns the log around': {
    breaks: /^D5/,
    sabotage: (journal) =>
      changed(journal, {
        read: async (window) => {
          const result = await journal.read(window)
          return { ...result, events: [...result.events].reverse() }
        },
      }),
  },
  'an owner that does not look for slow lanes': {
    breaks: /^D5/,
    sabotage: (journal) => changed(journal, { slowKeys: async () => [] }),
  },
  'an owner that does not look for rows of the one before': {
    breaks: /^(D4|D5|not drained)/,
    sabotage: (journal) => changed(journal, { existing: async () => [] }),
  },
  'a takeover that leaves no suspects': {
    breaks: /^D4/,
    sabotage: (journal) =>
      changed(journal, {
        acquire: async (worker, group, part) => {
          const lease = await journal.acquire(worker, group, part)
          return lease && { ...lease, suspectTo: 0 }
        },
      }),
  },
  'an owner that does not look how far a sequence has come': {
    breaks: /^(D5|D2|not drained)/,
    sabotage: (journal) => changed(journal, { sequences: async () => [] }),
  },
  'a sequence that is not written with what moved it': {
    breaks: /^D5/,
    sabotage: (journal) => changed(journal, { flush: (flush) => journal.flush({ ...flush, sequences: [] }) }),
  },
  'a flush that forgets a step now and then': {
    breaks: /^D9/,
    sabotage: (journal, _store, dice) =>
      changed(journal, {
        flush: (flush) =>
          journal.flush(dice.chance(0.2) ? { ...flush, steps: flush.steps.slice(0, -1) } : flush),
      }),
  },
  'an owner that does not know which steps are done': {
    breaks: /^D(4|9)/,
    sabotage: (journal) =>
      changed(journal, {
        stepsWithoutRun: async () => [],
        claim: async (claim) => {
          const runs = await journal.claim(claim)
          return runs === 'lost' ? runs : runs.map((run) => ({ ...run, steps: [] }))
        },
      }),
  },
  'an owner that forgets that a run goes back': {
    breaks: /^D9/,
    sabotage: (journal) =>
      changed(journal, {
        claim: async (claim) => {
          const runs = await journal.claim(claim)
          return runs === 'lost' ? runs : runs.map((run) => ({ ...run, compensating: false }))
        },
      }),
  },
  'an owner that does not doubt what a dead one may have sent': {
    breaks: /^D(4|9)/,
    sabotage: (journal) =>
      changed(journal, {
        claim: async (claim) => {
          const runs = await journal.claim(claim)
          return runs === 'lost' ? runs : runs.map((run) => ({ ...run, maybeAt: null }))
        },
        acquire: async (worker, group, part) => {
          const lease = await journal.acquire(worker, group, part)
          return lease && { ...lease, suspectTo: 0 }
        },
      }),
  },
  'a flush that says ok before it has written': {
    breaks: /^D9 (send|undo)/,
    sabotage: (journal) => {
      let late: (() => Promise<'ok' | 'lost'>) | undefined
      return changed(journal, {
        flush: async (flush) => {
          // It lands with the next one: what follows a step is sent before its result is there.
          const earlier = late
          late = () => journal.flush(flush)
          return (await earlier?.()) ?? 'ok'
        },
      })
    },
  },
  'permits for all who ask': {
    breaks: /^D8 \d+ requests at once/,
    sabotage: (journal) =>
      changed(journal, { permits: async ({ want }) => ({ granted: want + 1, othersWaiting: 0 }) }),
  },
  'tokens for all who ask': {
    breaks: /^D8 more than/,
    sabotage: (journal) =>
      changed(journal, { reserveRate: async ({ tokens }) => ({ granted: tokens, retryInMs: 0 }) }),
  },
}

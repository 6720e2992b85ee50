import { expect, it } from 'vitest'
import type { Clock } from '../../src/engine/clock.ts'
import { journalContract } from '../../src/testing/journal-contract.ts'
import type { JournalUnderTest } from '../../src/testing/journal-under-test.ts'
import { done, event, flushOf, ownedGroup, publishKeys } from '../../src/testing/journal-under-test.ts'
import { brokenInvariants } from './invariants.ts'
import { memoryLinksUnderTest } from './memory-links.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStore } from './memory-store.ts'

// Calls of several sessions come one after another, in an order that their awaits make: enough for the cases about races.
journalContract('memory', async () => openMemory(), { concurrent: true })

function openMemory(): JournalUnderTest {
  const store = new MemoryStore()
  const time = { now: 1_700_000_000_000 }
  const sessions = [1, 2, 3, 4, 5, 6].map(
    (each) => new MemoryJournal(store, clockOf(time), `session-${each}`),
  )
  const [first] = sessions as [MemoryJournal]
  return {
    sessions,
    act: (act) => first.act(act),
    pause: (kind, name, paused) => first.pause(kind, name, paused),
    now: () => time.now,
    advance: async (ms) => {
      time.now += ms
    },
    snapshot: async () => first.snapshot(),
    violations: async () => brokenInvariants(first.snapshot(), 'journal'),
    links: memoryLinksUnderTest(store),
    close: () => first.close(),
  }
}

/** Time that stands still until it is moved by hand. */
function clockOf(time: { readonly now: number }): Clock {
  return { now: () => time.now, monotonic: () => time.now, timer: () => () => undefined }
}

it('rejects every call after it was closed', async () => {
  const { sessions } = openMemory()
  await sessions[0]?.close()
  await sessions[0]?.close()
  await expect(sessions[0]?.append([event()])).rejects.toMatchObject({ code: 'journal.unavailable' })
  await expect(sessions[1]?.head()).resolves.toBe(0)
})

it('a snapshot does not change afterwards', async () => {
  const world = openMemory()
  const owned = await ownedGroup(world)
  const [a] = await publishKeys(owned, ['a'])
  const before = await world.snapshot()
  const copy = structuredClone(before)
  await owned.journal.flush(flushOf(owned, { done: [done(owned, a!)], claimedTo: a!.seq }))
  await publishKeys(owned, ['b'])
  expect(before).toEqual(copy)
})

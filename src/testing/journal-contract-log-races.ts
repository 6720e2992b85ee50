import { expect, it } from 'vitest'
import type { Appended, AppendResult, Journal, StoredEvent } from '../journal/port.ts'
import { window } from './journal-contract-log.ts'
import type { ContractContext } from './journal-under-test.ts'
import { event, unique } from './journal-under-test.ts'

/** The promises of `EventLog` to several writers and readers at once. */
export function logRacesContract({ world, capabilities }: ContractContext): void {
  it.skipIf(!capabilities.concurrent)(
    'A1: each append continues exactly where another one ended',
    async () => {
      const results = (
        await eachSession(world().sessions, async (journal, session) => {
          const mine: AppendResult[] = []
          for (let round = 0; round < 30; round++) {
            const twin = event({ id: `shared-${(round + session) % 17}` })
            mine.push(await journal.append([event(), twin, event()].slice(0, 1 + (round % 3))))
          }
          return mine
        })
      ).flat()
      const chain = results
        .filter(({ prev, head }) => head > prev)
        .sort((one, other) => one.prev - other.prev)
      chain.slice(1).forEach((append, index) => expect(append.prev).toBe(chain[index]?.head))
    },
  )

  it.skipIf(!capabilities.concurrent)(
    'A2: a reader that asks for the head first, then for the window, never misses an event',
    async () => {
      const { sessions } = world()
      const type = unique('type')
      const reader = followLog(sessions[0] as Journal, type)
      const stored = await eachSession(sessions.slice(1), async (journal) => {
        const seqs: number[] = []
        for (let round = 0; round < 40; round++) {
          const events = [event({ type: 'other' }), event({ type }), event({ type })].slice(round % 3)
          const { results } = await journal.append(events)
          results.forEach(({ seq }, index) => events[index]?.type === type && seqs.push(seq))
        }
        return seqs
      })
      expect((await reader.end()).map((each) => each.seq)).toEqual(
        stored.flat().sort((one, other) => one - other),
      )
    },
  )

  it.skipIf(!capabilities.concurrent)(
    'A3: colliding publishes get one place per identity, stored once, never behind a reader',
    async () => {
      const { sessions } = world()
      const type = unique('type')
      const reader = followLog(sessions[0] as Journal, type)
      const seen = await eachSession(sessions, async (journal, session) => {
        const mine: { id: string; result: Appended }[] = []
        for (let round = 0; round < 60; round++) {
          const ids = [0, 1, 2, 3, 4].map((place) => `${type}-${(round * 3 + place * 7 + session) % 199}`)
          const { results } = await journal.append(
            ids.map((id) => event({ type, id, data: JSON.stringify(id) })),
          )
          results.forEach((result, index) => mine.push({ id: ids[index] as string, result }))
        }
        return mine
      })
      const all = seen.flat()
      const followed = await reader.end()
      for (const { id, seq } of followed) {
        const answers = all.filter((each) => each.id === id)
        expect(new Set(answers.map((each) => each.result.seq))).toEqual(new Set([seq]))
        expect(answers.filter((each) => each.result.kind === 'stored')).toHaveLength(1)
      }
      expect(new Set(followed.map((each) => each.id))).toEqual(new Set(all.map((each) => each.id)))
      expect(all.some((each) => each.result.kind === 'conflict')).toBe(false)
    },
  )
}

function eachSession<T>(
  sessions: readonly Journal[],
  work: (journal: Journal, session: number) => Promise<T>,
): Promise<T[]> {
  return Promise.all(sessions.map(work))
}

/** Reads on from where the log ends now, as an owner does, until told that nothing more comes. */
function followLog(journal: Journal, type: string) {
  let more = true
  const followed = (async () => {
    const events: StoredEvent[] = []
    let after = 0
    for (;;) {
      const last = !more
      const upTo = await journal.head()
      while (after < upTo) {
        const result = await journal.read(
          window({ after, upTo: Math.min(upTo, after + 50), types: [type], limit: 7 }),
        )
        events.push(...result.events)
        after = result.readTo
      }
      if (last) return events
    }
  })()
  return {
    end(): Promise<StoredEvent[]> {
      more = false
      return followed
    },
  }
}

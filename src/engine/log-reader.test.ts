import { expect, it } from 'vitest'
import type { ReadWindow, StoredEvent } from '../journal/port.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { TailReader } from './log-reader.ts'
import { LogTail } from './log-reader.ts'

function stored(seq: number, more: Partial<StoredEvent> = {}): StoredEvent {
  const base = { source: 's', id: `e${seq}`, type: 'a', key: `k${seq}`, khash: seq, receivedAt: 0 }
  return { ...base, seq, data: '{}', ext: '{}', ...more }
}

function reader(more: Partial<TailReader> = {}): TailReader {
  return { types: ['a'], part: 0, parts: 1, readHead: 0, ...more }
}

/** A log in memory, and what was asked of it. */
function world() {
  const clock = new VirtualClock(0)
  const events: StoredEvent[] = []
  const windows: ReadWindow[] = []
  const log = {
    head: async () => events.length,
    async read(window: ReadWindow) {
      windows.push(window)
      const { after, upTo, types, slots } = window
      const wanted = events.filter(
        ({ seq, type, khash }) =>
          seq > after && seq <= upTo && types.includes(type) && (!slots || slots.includes(khash % 64)),
      )
      return { events: wanted, readTo: upTo }
    },
  }
  let moves = 0
  const errors: unknown[] = []
  const tail = new LogTail({ log, clock, onMove: () => moves++, onError: (error) => errors.push(error) })
  const looked = async () => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    clock.moveTo(clock.now() + 50)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  return { clock, events, windows, log, tail, looked, errors, moves: () => moves }
}

it('reads what is new once for all readers, each of which finds it where it has read to', async () => {
  const { events, windows, tail, looked } = world()
  const [one, two] = [reader(), reader({ types: ['b'] })]
  tail.join(one)
  tail.join(two)
  events.push(stored(1), stored(2, { type: 'b' }), stored(3, { type: 'c' }))
  tail.start()
  await looked()
  expect(windows).toMatchObject([{ after: 0, upTo: 3, types: ['a', 'b'] }])
  expect(tail.after(0, one)?.events.map(({ seq }) => seq)).toEqual([1, 2])
  expect(tail.after(0, two)?.head).toBe(3)
  expect(tail.head).toBe(3)
})

it('gives nothing to a reader that came later: it was not read for it', async () => {
  const { events, tail, looked } = world()
  tail.join(reader())
  tail.join(reader())
  events.push(stored(1))
  tail.start()
  await looked()
  const late = reader({ types: ['late'] })
  tail.join(late)
  expect(tail.after(0, late)).toBeUndefined()
  expect(tail.after(0)).toBeUndefined()
})

it('asks for the hash slots of the partitions that are here, and for no others', async () => {
  const { events, windows, tail, looked } = world()
  tail.join(reader({ part: 1, parts: 4 }))
  tail.join(reader({ part: 3, parts: 4 }))
  events.push(stored(1), stored(2))
  tail.start()
  await looked()
  const [window] = windows
  expect(window?.slots?.length).toBe(32)
  expect(window?.slots?.every((slot) => slot % 2 === 1)).toBe(true)
})

it.each([
  { why: 'there is one reader', readers: [reader()] },
  {
    why: 'the readers are far behind',
    readers: [reader({ readHead: -10_000 }), reader({ readHead: -10_000 })],
  },
])('leaves reading to the readers where $why', async ({ readers }) => {
  const { events, windows, tail, looked } = world()
  for (const each of readers) tail.join(each)
  events.push(stored(1))
  tail.start()
  await looked()
  expect(windows).toEqual([])
  expect(tail.head).toBe(1)
})

it('goes on when the look fails: each reads for itself then', async () => {
  const { events, log, tail, looked, errors } = world()
  tail.join(reader())
  tail.join(reader())
  log.read = () => Promise.reject(new Error('away'))
  events.push(stored(1))
  tail.start()
  await looked()
  expect(errors).toHaveLength(1)
  expect(tail.head).toBe(1)
  expect(tail.after(0)).toBeUndefined()
})

it('knows what this process has appended for every reader, also where less had been read', async () => {
  const { events, tail, looked } = world()
  const one = reader()
  tail.join(one)
  tail.join(reader())
  events.push(stored(1))
  tail.start()
  await looked()
  tail.appended({ prev: 1, head: 3, events: [stored(2), stored(3, { type: 'b' })] })
  expect(tail.after(1)?.events.map(({ seq }) => seq)).toEqual([2, 3])
  expect(tail.after(1, one)?.head).toBe(3)
})

it('runs one loop, also when it is stopped and started again before the first has noticed', async () => {
  const { clock, log, tail, looked } = world()
  let asked = 0
  log.head = async () => {
    asked++
    return 0
  }
  tail.start()
  tail.stop()
  tail.start()
  await looked()
  asked = 0
  for (let turn = 0; turn < 5; turn++) await looked()
  expect(clock.now()).toBeGreaterThan(0)
  expect(asked).toBeLessThanOrEqual(6)
})

it('looks the less often the more comes at a time, and soon again where little does', async () => {
  const { clock, events, log, tail } = world()
  let looks = 0
  const { head } = log
  log.head = () => (looks++, head())
  tail.start()
  /** One millisecond after the other, in each of which so many events come. */
  const during = async (ms: number, perMs: number) => {
    looks = 0
    for (let passed = 0; passed < ms; passed++) {
      for (let come = 0; come < perMs; come++) events.push(stored(events.length + 1))
      clock.moveTo(clock.now() + 1)
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    }
    return looks
  }
  await during(100, 1)
  expect(await during(100, 1)).toBeGreaterThan(30)
  await during(20, 20)
  expect(await during(100, 20)).toBe(10)
  await during(20, 1)
  expect(await during(100, 1)).toBeGreaterThan(30)
})

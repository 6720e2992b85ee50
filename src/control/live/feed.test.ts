import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LiveFeed } from './feed.ts'
import type { Watcher } from './feed.ts'
import type { Marks } from './marks.ts'
import { changedTopics } from './marks.ts'

const marks: Marks = {
  events: '1',
  runs: '1',
  problems: '1',
  systems: '1',
  groups: '1',
  replays: '1',
  bulk: '1',
  audit: '1',
  outbox: '1',
  expectations: '1',
  workers: '1',
}

class Seen implements Watcher {
  readonly topics: string[] = []
  lastId = ''
  quietTimes = 0
  isOver = false
  changed(topics: readonly string[], id: string): void {
    this.topics.push(topics.join(' '))
    this.lastId = id
  }
  quiet(): void {
    this.quietTimes++
  }
  ended(): void {
    this.isOver = true
  }
}

let now: Marks
let looks: number
let feed: LiveFeed
beforeEach(() => {
  vi.useFakeTimers()
  now = marks
  looks = 0
  feed = new LiveFeed({
    look: async () => {
      looks++
      return now
    },
    onError: (error) => {
      throw error
    },
    maxWatchers: 2,
  })
})
afterEach(() => {
  feed.end()
  vi.useRealTimers()
})
const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1_000)

it('names what has changed, and the status with what it speaks of', () => {
  expect(changedTopics(marks, { ...marks, problems: '2' })).toEqual(['status', 'problems'])
  expect(changedTopics(marks, { ...marks, audit: '2' })).toEqual(['audit'])
  expect(changedTopics(marks, marks)).toEqual([])
})

it('looks once a second however many watch, and not at all when nobody does', async () => {
  await seconds(10)
  expect(looks).toBe(0)
  const leave = [feed.watch(new Seen()), feed.watch(new Seen())]
  await seconds(10)
  expect(looks).toBeGreaterThanOrEqual(10)
  expect(looks).toBeLessThanOrEqual(12)
  for (const each of leave) each()
  const before = looks
  await seconds(10)
  expect(looks).toBe(before)
})

it('tells everybody of a change, and once more with the next look', async () => {
  const [one, other] = [new Seen(), new Seen()]
  feed.watch(one)
  feed.watch(other)
  await seconds(1)
  now = { ...marks, problems: '2' }
  await seconds(3)
  expect(one.topics).toEqual(['status problems', 'status problems'])
  expect(other.topics).toEqual(one.topics)
})

it('tells who comes back what has changed meanwhile', async () => {
  const first = new Seen()
  const leave = feed.watch(first)
  await seconds(1)
  now = { ...marks, audit: '2' }
  await seconds(2)
  leave()
  now = { ...now, replays: '2' }
  const again = new Seen()
  feed.watch(again, first.lastId)
  await seconds(1)
  expect(again.topics).toEqual(['replays'])
  const stranger = new Seen()
  feed.watch(stranger, 'no id of ours')
  await seconds(1)
  expect(stranger.topics).toEqual([])
})

it('says that it lives, knows when it is full, and ends', async () => {
  const seen = new Seen()
  feed.watch(seen)
  expect(feed.isFull).toBe(false)
  feed.watch(new Seen())
  expect(feed.isFull).toBe(true)
  await seconds(40)
  expect(seen.quietTimes).toBeGreaterThanOrEqual(2)
  feed.end()
  expect(seen.isOver).toBe(true)
  const late = new Seen()
  feed.watch(late)
  expect(late.isOver).toBe(true)
  const before = looks
  await seconds(5)
  expect(looks).toBe(before)
})

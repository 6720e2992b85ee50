import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { isDoor } from './api.ts'

/** Whether changes arrive by themselves. */
export type LiveState = 'live' | 'connecting' | 'off'

let state: LiveState = 'connecting'
let changedAt = Date.now()
const listeners = new Set<() => void>()

function become(next: LiveState): void {
  state = next
  changedAt = Date.now()
  for (const listener of listeners) listener()
}

/** A topic that changes all the time is asked again so often: people read no faster, and answers cost the database. */
const spacingMs = 3_000
const asked = new Map<string, number>()
const waiting = new Set<string>()

/** At once when it is long enough since the last time, otherwise as soon as it is. */
function askAnew(queries: QueryClient, topic: string): void {
  if (waiting.has(topic)) return
  const early = (asked.get(topic) ?? -spacingMs) + spacingMs - performance.now()
  waiting.add(topic)
  setTimeout(
    () => {
      waiting.delete(topic)
      asked.set(topic, performance.now())
      void queries.invalidateQueries({ queryKey: [topic] })
    },
    Math.max(0, early),
  )
}

/** After a refusal: what it was about may be over. */
const againMs = 15_000

/**
 * Follows busbar's stream of changes (server-sent events): each names topics, and every query whose key begins with one of
 * them is asked again, if it is on screen. Queries are keyed `[topic, …]`. Where one is to sign in, nothing is followed.
 */
export function followChanges(queries: QueryClient, wasLost = false): void {
  if (isDoor()) return
  const stream = new EventSource('/api/v1/live')
  stream.addEventListener('open', () => {
    become('live')
    if (wasLost) void queries.invalidateQueries() // whatever changed meanwhile
    wasLost = false
  })
  stream.addEventListener('error', () => {
    wasLost = true
    const isRefused = stream.readyState === EventSource.CLOSED
    become(isRefused ? 'off' : 'connecting')
    if (!isRefused) return
    void queries.invalidateQueries({ queryKey: ['me'] }) // whose session has ended is sent to sign in by this
    setTimeout(() => followChanges(queries, true), againMs)
  })
  stream.addEventListener('changed', (message) => {
    const { topics } = JSON.parse((message as MessageEvent<string>).data) as { topics: readonly string[] }
    for (const topic of topics) askAnew(queries, topic)
    become('live')
  })
}

/** The state of the stream, and when something came last (milliseconds since 1970). */
export function useLive(): { readonly state: LiveState; readonly changedAt: number } {
  const subscribe = (listener: () => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  const now = useSyncExternalStore(subscribe, () => `${state} ${changedAt}`)
  const [seen, at] = now.split(' ')
  return { state: seen as LiveState, changedAt: Number(at) }
}

import type { LiveTopic, Marks } from './marks.ts'
import { changedTopics } from './marks.ts'

/** Somebody who watches. */
export interface Watcher {
  /** Told of what has changed; `id` names the moment, to go on from it later. */
  changed(topics: readonly LiveTopic[], id: string): void
  /** Nothing was said for a while: the connection is alive. */
  quiet(): void
  /** The feed ends. */
  ended(): void
}

/** What the feed needs. */
export interface FeedDeps {
  /** One look at the database. */
  readonly look: () => Promise<Marks>
  readonly onError: (error: unknown) => void
  /** Called before those who watch are told. */
  readonly onChange?: () => void
  /** Default: 1 s. */
  readonly everyMs?: number
  /** Default: 200. */
  readonly maxWatchers?: number
}

const quietAfterLooks = 15

/**
 * Tells everybody who watches which topics have changed. One look a second serves them all, and none is made while nobody
 * watches. What has changed is told again with the next look: a change may be seen just before its transaction is.
 */
export class LiveFeed {
  readonly #deps: FeedDeps
  readonly #watchers = new Set<Watcher>()
  #marks: Marks | undefined
  #again: readonly LiveTopic[] = []
  #silentLooks = 0
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #ended = false

  constructor(deps: FeedDeps) {
    this.#deps = deps
  }

  get isFull(): boolean {
    return this.#watchers.size >= (this.#deps.maxWatchers ?? 200)
  }

  get isOver(): boolean {
    return this.#ended
  }

  /** Watches from now on; with the id of an earlier moment, is told what has changed since. Answers what ends it. */
  watch(watcher: Watcher, lastId?: string): () => void {
    if (this.#ended) watcher.ended()
    else this.#join(watcher, lastId)
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.#rest()
    }
  }

  /** Ends everybody's watch. Safe to call twice. */
  end(): void {
    this.#ended = true
    this.#rest()
    for (const watcher of this.#watchers) watcher.ended()
    this.#watchers.clear()
  }

  #join(watcher: Watcher, lastId: string | undefined): void {
    this.#watchers.add(watcher)
    const before = lastId === undefined ? undefined : marksOf(lastId)
    if (before)
      this.#deps.look().then((now) => {
        const topics = changedTopics(before, now)
        if (topics.length > 0 && this.#watchers.has(watcher)) watcher.changed(topics, idOf(now))
      }, this.#deps.onError)
    this.#timer ??= setInterval(() => void this.#look(), this.#deps.everyMs ?? 1_000)
    void this.#look()
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#marks = undefined
    this.#again = []
  }

  async #look(): Promise<void> {
    if (this.#looking || (this.#marks === undefined && this.#timer === undefined)) return
    this.#looking = true
    try {
      const now = await this.#deps.look()
      if (this.#timer !== undefined) this.#tell(now)
    } catch (error) {
      this.#deps.onError(error)
    } finally {
      this.#looking = false
    }
  }

  #tell(now: Marks): void {
    const before = this.#marks
    this.#marks = now
    if (!before) return
    const changed = changedTopics(before, now)
    const topics = [...new Set([...changed, ...this.#again])]
    this.#again = changed
    this.#silentLooks = topics.length > 0 ? 0 : this.#silentLooks + 1
    if (topics.length > 0) this.#deps.onChange?.()
    if (topics.length > 0) for (const watcher of this.#watchers) watcher.changed(topics, idOf(now))
    else if (this.#silentLooks % quietAfterLooks === 0) for (const watcher of this.#watchers) watcher.quiet()
  }
}

/** A moment as its marks: any process can tell what has changed since. */
function idOf(marks: Marks): string {
  return Buffer.from(JSON.stringify(marks)).toString('base64url')
}

function marksOf(id: string): Marks | undefined {
  try {
    const marks: unknown = JSON.parse(Buffer.from(id.slice(0, 4_000), 'base64url').toString())
    return typeof marks === 'object' && marks !== null ? (marks as Marks) : undefined
  } catch {
    return undefined // of another version, or no id of ours
  }
}

import { z } from 'zod'
import { Moment, named, Sentence } from './common.ts'

/** What can be found. */
export const searchKinds = ['object', 'run', 'event', 'problem', 'system', 'flow'] as const

/** Finds things by any word they are known by. */
export const SearchQuery = z.object({
  /** A key, an external id, an id of an event or of a run, a word of a problem's title, a system, a flow; or how it begins. */
  q: z.string().trim().min(1).max(255),
  /** Only things of one kind. */
  kind: z.enum(searchKinds).optional(),
  /** Of each kind, at most: 1 to 50, default 8. */
  limit: z.coerce.number<number>().int().min(1).max(50).default(8),
})
export type SearchQuery = z.output<typeof SearchQuery>

/** A thing that was found. */
export const SearchHit = named(
  'SearchHit',
  'A thing that was found: what it is, how it is known, and when it was last seen',
  z.object({
    kind: z.enum(searchKinds),
    /** Names it where it is opened: a key, `flow/seq`, a place in the log, a fingerprint, a name. */
    id: z.string(),
    /** What people call it. */
    text: z.string(),
    /** What it is, and how it was found. */
    about: Sentence,
    /** How it stands; null where it has no state. */
    state: z.string().nullable(),
    lastSeen: Moment.nullable(),
    /** The words are its whole name, not the beginning of it. */
    exact: z.boolean(),
  }),
)
export type SearchHit = z.infer<typeof SearchHit>

export const SearchResult = named(
  'SearchResult',
  'What was found: exact matches first, then by kind',
  z.object({ items: z.array(SearchHit) }),
)
export type SearchResult = z.infer<typeof SearchResult>

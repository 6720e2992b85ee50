import type { Part } from '../parts/words.tsx'
import { pathTo } from '../parts/words.tsx'
import type { SignName } from '../parts/sign.tsx'
import type { Tone } from '../parts/state.tsx'
import { lookOf } from '../parts/state.tsx'
import type { Answer } from '../api.ts'
import { call } from '../api.ts'

/** Something found: where it is, what it is. */
export interface Found {
  readonly group: 'Problems' | 'Objects' | 'Runs' | 'Events' | 'Systems' | 'Flows'
  readonly to: string
  readonly name: string
  readonly about: string
  readonly sign?: SignName
  readonly tone?: Tone
}

type Hit = Answer<'search'>['items'][number]

const groups: Readonly<Record<Hit['kind'], Found['group']>> = {
  object: 'Objects',
  run: 'Runs',
  event: 'Events',
  problem: 'Problems',
  system: 'Systems',
  flow: 'Flows',
}

/** What busbar knows under these words, things of one kind together, the kind of the best match first. */
export async function find(words: string): Promise<readonly Found[]> {
  const { items } = await call('search', { q: words, limit: 6 })
  return [...Map.groupBy(items, ({ kind }) => kind).values()].flat().map(foundOf)
}

function foundOf({ kind, id, text, about, state }: Hit): Found {
  const look = state === null ? undefined : lookOfHit(kind, state)
  return {
    group: groups[kind],
    to: pathTo(kind, id),
    name: text,
    about: plain(about),
    ...(look && { sign: look.sign, tone: look.tone }),
  }
}

function lookOfHit(kind: Hit['kind'], state: string) {
  if (kind === 'problem') return lookOf('problem', state === 'open' ? 'needs-person' : state)
  return lookOf('run', state === 'done' ? 'succeeded' : state)
}

function plain(about: readonly Part[]): string {
  return about.map((part) => (part.kind === 'time' ? part.at : part.text)).join('')
}

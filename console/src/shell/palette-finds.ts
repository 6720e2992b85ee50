import type { SignName } from '../parts/sign.tsx'
import type { Tone } from '../parts/state.tsx'
import { call } from '../api.ts'

/** Something found: where it is, what it is. */
export interface Found {
  readonly group: 'Problems' | 'Objects' | 'Systems'
  readonly to: string
  readonly name: string
  readonly about: string
  readonly sign?: SignName
  readonly tone?: Tone
}

/** What busbar knows under these words. */
export async function find(words: string): Promise<readonly Found[]> {
  const wanted = words.toLowerCase()
  const [problems, systems] = await Promise.all([call('listProblems', { limit: 200 }), call('listSystems')])
  return [
    ...problems.items
      .filter(({ title, system }) => `${system} ${title}`.toLowerCase().includes(wanted))
      .slice(0, 5)
      .map(({ fingerprint, title, system, open, parked }): Found => {
        const needs = parked > 0
        return {
          group: 'Problems',
          to: `/problems/${fingerprint}`,
          name: `${system}: ${title}`,
          about: `${open} open`,
          sign: needs ? 'park' : 'retry',
          tone: needs ? 'park' : 'retry',
        }
      }),
    ...systems.items
      .filter(({ name }) => name.toLowerCase().includes(wanted))
      .slice(0, 5)
      .map(({ name }): Found => ({
        group: 'Systems',
        to: `/systems/${encodeURIComponent(name)}`,
        name,
        about: 'system',
      })),
  ]
}

import type { Surroundings } from '../contestants/contestant.ts'

/** What the bench has told this process. */
export function settingsOf<Own>(): Surroundings & Own {
  return JSON.parse(process.argv[2] ?? '{}') as Surroundings & Own
}

/** An event as it came in. */
export interface Event {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly data: { readonly number: string }
}

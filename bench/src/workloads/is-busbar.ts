import type { System } from '../contestants/contestant.ts'

/** Where flows, workers or consoles differ: peers are measured as a fan-out of one process. */
export function isBusbar({ name }: System): boolean {
  return name.startsWith('busbar')
}

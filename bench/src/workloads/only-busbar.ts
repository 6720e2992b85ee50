import type { System } from '../contestants/contestant.ts'

/** Why a system cannot be measured where flows, workers or consoles differ. */
export function onlyBusbar({ name }: System): string | undefined {
  return name.startsWith('busbar') ? undefined : 'it is measured as a fan-out of one process'
}

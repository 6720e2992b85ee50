import type { Journal } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import type { MemoryStore } from './memory-store.ts'

/** A bug on purpose, between a worker and its journal: what the simulation must find. */
export type Sabotage = (journal: Journal, store: MemoryStore, dice: Dice) => Journal

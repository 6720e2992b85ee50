import { runState } from '../journal/port.ts'
import type { RunStateWord } from './schema/common.ts'

const words = new Map<number, RunStateWord>(
  Object.entries(runState).map(([word, code]) => [code, word as keyof typeof runState]),
)

/** The state's word; a run without a row is pending. */
export function stateWord(code: number | null): RunStateWord {
  return code === null ? 'pending' : (words.get(code) ?? 'running')
}

/** Codes of the open states: a person or busbar still has something to do. */
export const openStates = [runState.waiting, runState.retrying, runState.running, runState.parked] as const

/** The codes that a filter word stands for; undefined for no filter. */
export function stateCodes(word: string | undefined): readonly number[] | undefined {
  if (word === undefined) return undefined
  if (word === 'open') return openStates
  return [runState[word as keyof typeof runState]]
}

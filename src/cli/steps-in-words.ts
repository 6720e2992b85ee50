import type { Step } from '../control/schema/run.ts'

const words: Readonly<Record<Exclude<Step['state'], 'pending'>, string>> = {
  done: 'done',
  skipped: 'left out',
  failed: 'failed',
  running: 'running',
  retrying: 'tried again',
  waiting: 'waiting',
  undoing: 'being undone',
  'undo-failed': 'undo failed',
  undone: 'undone',
  kept: 'kept as it is',
}

/**
 * How far a run of several steps has come, in one line: what is done, what has failed or is under way, what is next and
 * what is still to come, each in the flow's order; null for a run of one step.
 */
export function stepsInWords(steps: readonly Pick<Step, 'name' | 'state' | 'after'>[]): string | null {
  if (steps.length < 2) return null
  const isOver = (name: string) => {
    const state = steps.find((step) => step.name === name)?.state
    return state === 'done' || state === 'skipped'
  }
  const stands = steps.some(({ state }) => state === 'failed' || goesBack.has(state))
  const byWord = new Map<string, string[]>()
  for (const { name, state, after } of steps) {
    const next = !stands && after.every(isOver) ? 'next' : 'not begun'
    const word = state === 'pending' ? next : words[state]
    byWord.set(word, [...(byWord.get(word) ?? []), name])
  }
  return [...byWord].map(([word, names]) => `${word}: ${names.join(', ')}`).join('; ')
}

/** Nothing new begins once one of these is there. */
const goesBack: ReadonlySet<string> = new Set(['undoing', 'undo-failed', 'undone', 'kept'])

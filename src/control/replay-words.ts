import type { Replay } from './schema/replay.ts'
import { count, span } from './sentence.ts'

/** The filter in words. */
export function selectionOf({ selection }: Pick<Replay, 'selection'>): string {
  if (selection['all'] === true) return 'everything'
  return Object.entries(selection)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(', ') : String(value)}`)
    .join('; ')
}

/** What a person should know before a replay is started: which systems may do things twice, or not at all. */
export function warningsOf({ keys, plan }: Pick<Replay, 'keys' | 'plan'>): string[] {
  const applied = plan.states['succeeded'] ?? 0
  const warnings: string[] = []
  if (keys === 'new' && applied > 0)
    warnings.push(`${count(applied, 'run')} had succeeded: with new keys, each of them is done a second time`)
  if (keys === 'same')
    for (const { system, lifeMs, passed } of plan.keyLives)
      if (lifeMs === 0)
        warnings.push(
          `${system} does not know idempotency keys: what had succeeded may be done a second time`,
        )
      else if (passed > 0)
        warnings.push(
          `${system} remembers keys for ${span(lifeMs)}: ${count(passed, 'run')} began before that, and may be done a second time`,
        )
  const undone = plan.states['compensated'] ?? 0
  if (keys === 'same' && undone > 0)
    warnings.push(
      `${count(undone, 'run')} had been compensated: a system that remembers the keys takes them for done, and does nothing`,
    )
  if (keys === 'same' && plan.edited > 0)
    warnings.push(
      `${count(plan.edited, 'run')} had a step edited by a person: the event as it came is sent, under the key of before the edit`,
    )
  return warnings
}

import type { Sentence } from './schema/common.ts'
import { explainSystem } from './explain-system.ts'
import type { RunFacts } from './explain.ts'
import { count, link, say } from './sentence.ts'

/** A step that is to be tried again. */
export interface TryFacts {
  readonly record: Pick<RunFacts, 'key' | 'system' | 'nowAt' | 'groupPaused' | 'group' | 'owner'>
  readonly step: { readonly name: string; readonly system: string | null }
  readonly declared: readonly { readonly name: string; readonly after: readonly string[] }[]
  /** With other data, and so under another idempotency key. */
  readonly edited: boolean
  /** Open runs of its lane that stand behind it. */
  readonly behind: number
}

/** What will happen when a step is tried again, one thing after another. Pure. */
export function explainTry({ record, step, declared, edited, behind }: TryFacts): Sentence[] {
  const to = step.system === null ? [] : say` to ${link('system', step.system)}`
  const key = edited
    ? 'a new idempotency key'
    : 'the same idempotency key, so that nothing doubles where it is known'
  const after = declared.filter((each) => follows(each.name, step.name, declared)).map(({ name }) => name)
  return [
    say`${step.name} is sent${to} under ${key}`,
    ...held(record),
    ...(after.length > 0 ? [say`then ${after.join(', ')}`] : []),
    ...(behind > 0 && record.key !== null
      ? [
          say`then ${count(behind, 'run')} of ${link('object', record.key)} that ${behind === 1 ? 'waits' : 'wait'} behind it`,
        ]
      : []),
  ]
}

/** What keeps it from being sent at once. */
function held({ system, nowAt, groupPaused, group, owner }: TryFacts['record']): Sentence[] {
  if (groupPaused) return [say`not before lane group ${link('group', group)} is resumed: it is paused`]
  if (owner === null) return [say`not before a worker runs lane group ${link('group', group)}: none lives`]
  const standing = system && explainSystem(system, nowAt)
  return standing && standing.standing !== 'connected'
    ? [say`as soon as the system lets it: ${standing.why}`]
    : []
}

/** Whether a step comes after another one, at once or later. */
function follows(name: string, before: string, declared: TryFacts['declared']): boolean {
  const after = declared.find((each) => each.name === name)?.after ?? []
  return after.includes(before) || after.some((each) => each !== name && follows(each, before, declared))
}

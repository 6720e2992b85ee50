import type { Answer } from '../api.ts'
import type { Tone } from './state.tsx'
import { lookOf, State } from './state.tsx'
import { Time } from './time.tsx'

/** Whether its runs can be retried by a person: what waits for a system goes on by itself, and others are not of runs. */
export function mayRetry({
  open,
  fingerprint,
}: {
  readonly open: number
  readonly fingerprint: string
}): boolean {
  return open > 0 && !/^(?:system|expected|replay|outbox):/.test(fingerprint)
}

type Told = Pick<Answer<'getProblem'>, 'state' | 'needs' | 'until' | 'ignoredUntil'>

/** Which word of the vocabulary a problem has. */
export function problemWord({ state, needs }: Told): string {
  if (state !== 'open') return state
  return needs === 'person' ? 'needs-person' : 'tries'
}

/** Its tone, for bars and lines beside it. */
export function problemTone(problem: Told): Tone {
  return lookOf('problem', problemWord(problem)).tone
}

/** Who has to act on a problem, and until when nobody has to. */
export function ProblemState({ of, pill = false }: { readonly of: Told; readonly pill?: boolean }) {
  const word = problemWord(of)
  if (word === 'ignored' && of.ignoredUntil !== null)
    return (
      <State kind="problem" of={word} pill={pill}>
        Until <Time at={of.ignoredUntil} clock />
      </State>
    )
  return (
    <State kind="problem" of={word} pill={pill}>
      {word === 'tries' &&
        (of.until === null ? (
          'Tries by itself'
        ) : (
          <>
            Tries <Time at={of.until} clock />
          </>
        ))}
      {word !== 'tries' && lookOf('problem', word).word}
    </State>
  )
}

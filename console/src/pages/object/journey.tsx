import type { CSSProperties } from 'react'
import { Sign } from '../../parts/sign.tsx'
import { clock } from '../../parts/time.tsx'
import type { ObjectDetail } from './entries.ts'
import { shortName, stepLook } from './entries.ts'

/** How far the object has come: the event that began it, and each step. */
export function Journey({ journey }: { readonly journey: NonNullable<ObjectDetail['journey']> }) {
  const { type, source, receivedAt, steps } = journey
  return (
    <ol
      className="journey object-journey"
      aria-label={`Steps of ${journey.flow}`}
      style={{ '--steps': steps.length + 1 } as CSSProperties}
    >
      <li data-tone="ok">
        <b>
          <Sign name="ok" />
          {type.split('.').slice(-2).join(' ')}
        </b>
        <span>
          {clock(receivedAt)} from {shortName(source)}
        </span>
      </li>
      {steps.map((step) => {
        const { sign, tone, word } = stepLook(step.state)
        return (
          <li key={step.name} data-tone={tone}>
            <b>
              <Sign name={sign} />
              {step.name}
            </b>
            <span title={wordsOf(step, word)}>{wordsOf(step, word)}</span>
          </li>
        )
      })}
    </ol>
  )
}

type Step = NonNullable<ObjectDetail['journey']>['steps'][number]

function wordsOf({ state, system, external, endedAt, after }: Step, word: string): string {
  const at = system === null ? '' : ` at ${system}`
  if (state === 'done') {
    if (external !== null) return `${external} in ${system}`
    return endedAt === null ? `done${at}` : `${clock(endedAt)}${at}`
  }
  if (state === 'pending') return after.length === 0 ? `to come${at}` : `after ${after.join(', ')}`
  return `${word.toLowerCase()}${at}`
}

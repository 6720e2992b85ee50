import { count, counted, Progress } from '../../parts/measure.tsx'
import { State } from '../../parts/state.tsx'
import { duration } from '../../parts/time.tsx'
import type { Bulk } from './index.tsx'

const looks = { done: 'done', running: 'running', stopped: 'stopped', next: 'planned' } as const
const tones = { done: 'ok', running: 'run', stopped: 'park', next: 'rest' } as const

/** The stages side by side: done, running, next. */
export function Stages({ act }: { readonly act: Bulk }) {
  return (
    <ol className="ramp stages">
      {act.stages.map((stage, index) => {
        const word = stage.state === 'stopped' && act.state === 'paused' ? 'paused' : looks[stage.state]
        const isCancelled = act.state === 'cancelled' && stage.state !== 'done'
        return (
          <li
            key={index}
            data-tone={tones[stage.state]}
            aria-current={stage.state === 'running' ? 'step' : undefined}
          >
            <span className="t">
              <State kind="replay" of={isCancelled ? 'cancelled' : word}>
                {stage.state === 'next' && !isCancelled ? 'Next' : undefined}
              </State>
              {stage.ms !== null && <span className="faint">{duration(stage.ms)}</span>}
            </span>
            <span className="big">
              {stage.state === 'running' || stage.state === 'stopped' ? (
                <>
                  {count(stage.through)} <span className="of">of {count(stage.size)}</span>
                </>
              ) : (
                count(stage.size)
              )}
            </span>
            <Progress
              total={stage.size}
              done={stage.through - stage.failed}
              failed={stage.failed}
              label={`Stage ${index + 1}`}
            />
            <span className="t dim">{words(stage)}</span>
          </li>
        )
      })}
    </ol>
  )
}

function words({ state, failed, maxFailed, size }: Bulk['stages'][number]): string {
  const stops = `stops at ${count(maxFailed + 1)} failed`
  if (state === 'next') return size === 1 ? 'the first one' : stops
  if (failed > 0) return `${counted(failed, 'run')} failed${state === 'running' ? `, ${stops}` : ''}`
  return state === 'done' ? 'none failed' : stops
}

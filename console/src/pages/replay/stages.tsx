import { Card } from '../../parts/card.tsx'
import { count, Progress } from '../../parts/measure.tsx'
import { Sign } from '../../parts/sign.tsx'
import { lengthOf, Time } from '../../parts/time.tsx'
import type { Replay, Stage } from './figures.ts'
import { eventsWord, leftMs, rampWords, stagesOf, through } from './figures.ts'

/** How far a replay is: stage by stage, and as a whole. */
export function Stages({ replay }: { readonly replay: Replay }) {
  const { total, counts, startedAt, endedAt, rate, maxErrors } = replay
  const percent = Math.round(maxErrors * 100)
  return (
    <Card
      title={startedAt === null ? 'How it would run' : 'How far it is'}
      aside={<span className="small faint">live traffic of the same keys comes after it, in order</span>}
      footer={
        <>
          <span>
            {startedAt === null ? rampOf(replay) : <Since startedAt={startedAt} endedAt={endedAt} />}
          </span>
          {startedAt !== null && (
            <span className="end">
              at most {count(rate)} a second, stops above {percent} % failed
            </span>
          )}
        </>
      }
    >
      <ol className="ramp stages">
        {stagesOf(replay).map((stage, index) => (
          <OneStage key={index} stage={stage} percent={percent} />
        ))}
      </ol>
      {startedAt !== null && (
        <div className="whole">
          <div className="row">
            <b>
              {count(through(replay))} of {count(total)}
            </b>
            <span className="dim end">{remaining(replay)}</span>
          </div>
          <Progress
            total={total}
            done={counts.succeeded + counts.ended + counts.passedOver}
            failed={counts.failed}
            running={counts.underWay}
            label={`${count(through(replay))} of ${eventsWord(total)} are through`}
          />
        </div>
      )}
    </Card>
  )
}

function rampOf(replay: Replay): string {
  return `${rampWords(replay)}: each stage only when the one before has gone well`
}

function Since({ startedAt, endedAt }: { readonly startedAt: string; readonly endedAt: string | null }) {
  return (
    <>
      Started <Time at={startedAt} clock />
      {endedAt !== null && (
        <>
          , ended <Time at={endedAt} clock /> after {lengthOf(Date.parse(endedAt) - Date.parse(startedAt))}
        </>
      )}
    </>
  )
}

function remaining(replay: Replay): string {
  const ms = leftMs(replay)
  if (ms !== null) return `${count(replay.counts.left)} left, ${lengthOf(ms)} at least at its pace`
  return replay.counts.left > 0 ? `${count(replay.counts.left)} left` : ''
}

const looks = {
  done: { sign: 'ok', tone: 'ok', word: 'Through' },
  running: { sign: 'run', tone: 'run', word: 'Now' },
  stopped: { sign: 'park', tone: 'park', word: 'Stopped' },
  next: { sign: 'pending', tone: 'rest', word: 'Next' },
} as const

function said({ state, isLast }: Stage, percent: number): string {
  if (state === 'stopped') return `more than ${percent} % have failed`
  if (isLast) return 'the rest'
  return state === 'done' ? 'gone well enough' : `goes on if at most ${percent} % fail`
}

function OneStage({ stage, percent }: { readonly stage: Stage; readonly percent: number }) {
  const { size, done, state } = stage
  const { sign, tone, word } = looks[state]
  return (
    <li data-tone={tone} aria-current={state === 'running' ? 'step' : undefined}>
      <span className="t">
        <span className="state" data-tone={tone}>
          <Sign name={sign} />
          {word}
        </span>
      </span>
      <span className="big">
        {state === 'running' ? (
          <>
            {count(done)} <span className="of">of {count(size)}</span>
          </>
        ) : (
          count(size)
        )}
      </span>
      <Progress total={size} done={done} label={`${count(done)} of ${count(size)} of this stage`} />
      <span className="t dim">{said(stage, percent)}</span>
    </li>
  )
}

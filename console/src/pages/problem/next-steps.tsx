import { Link } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import { ActButton } from '../../parts/act-button.tsx'
import { Card } from '../../parts/card.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { Key } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import type { Problem } from './index.tsx'

/** What a person would start, and how carefully. */
export function NextSteps({
  problem,
  mayRetry,
  onAct,
}: {
  readonly problem: Problem
  readonly mayRetry: boolean
  readonly onAct: (act: string) => void
}) {
  const { bulkAct, open } = problem
  if (!mayRetry && !bulkAct) return null
  const running = bulkAct && ['running', 'paused', 'stopped'].includes(bulkAct.state)
  return (
    <Card
      title={running ? 'It is being worked on' : 'When the cause is mended'}
      aside={running && <State kind="replay" of={bulkAct.state} />}
    >
      <div className="stack">
        {running ? (
          <div className="row wrap">
            <span className="dim grow">Somebody has started a {verbNoun(bulkAct.verb)} of its runs.</span>
            <Link className="btn primary s" to={`/bulk/${bulkAct.id}`}>
              See how far it is
            </Link>
          </div>
        ) : (
          <>
            <Ramp total={open} />
            <div className="row wrap">
              <span className="dim grow">
                In the order they came in, each with its own idempotency keys. It stops by itself when a stage
                fails.
              </span>
              <ActButton className="btn s" touches={[problem.system]} onClick={() => onAct('skip')}>
                Skip {counted(open, 'run')}…
              </ActButton>
              <ActButton className="btn s" touches={[problem.system]} onClick={() => onAct('retry')}>
                <Play className="i" aria-hidden />
                Send the first one…<Key>R</Key>
              </ActButton>
            </div>
          </>
        )}
      </div>
    </Card>
  )
}

/** `retry`, as a thing. */
export function verbNoun(verb: string): string {
  return verb === 'compensate' ? 'compensation' : verb
}

const words = [
  'the oldest',
  'if the first is accepted',
  'if at most 1 of 10 fails',
  'the rest, if at most 10 % fail',
]

function Ramp({ total }: { readonly total: number }) {
  const sizes: number[] = []
  let left = total
  for (const size of [1, 10, 100, total]) {
    if (left > 0) sizes.push(Math.min(size, left))
    left -= size
  }
  return (
    <ol className="ramp">
      {sizes.map((size, index) => (
        <li key={index}>
          <span className="big">{count(size)}</span>
          <span className="t dim">{words[index]}</span>
        </li>
      ))}
    </ol>
  )
}

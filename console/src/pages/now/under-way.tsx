import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Card } from '../../parts/card.tsx'
import { Progress, count } from '../../parts/measure.tsx'
import { State } from '../../parts/state.tsx'
import { wordsOf } from '../../parts/system-acts.ts'
import { lengthOf } from '../../parts/time.tsx'

type Act = Answer<'now'>['underWay'][number]

/** Replays and acts on many runs that have not ended. */
export function UnderWay({ acts }: { readonly acts: readonly Act[] }) {
  return (
    <Card
      title="Under way"
      flush
      aside={
        <Link to="/replays" className="link small dim">
          Replays
        </Link>
      }
    >
      {acts.length === 0 && <p className="none">No replay and no act on many runs is under way.</p>}
      {acts.map((act) => (
        <Item key={`${act.kind}${act.id}`} act={act} />
      ))}
    </Card>
  )
}

function Item({ act }: { readonly act: Act }) {
  const { kind, id, title, by, state, done, failed, total, leftMs } = act
  const words = wordsOf(title)
  const percent = total === 0 ? 0 : Math.floor((done / total) * 100)
  return (
    <Link to={kind === 'bulk' ? `/bulk/${id}` : `/replays/${id}`} className="item wide" data-tone="run">
      <span>
        <b className="t">{words}</b>
        <span className="d block">
          Started by {by}, {count(done)} of {count(total)}
          {failed > 0 && `, ${count(failed)} failed`}
          {leftMs !== null && `, about ${lengthOf(leftMs)} left`}
        </span>
      </span>
      <span className="e">
        {state === 'running' ? <b>{percent} %</b> : <State kind="replay" of={state} />}
      </span>
      <Progress total={total} done={done - failed} failed={failed} label={words} />
    </Link>
  )
}

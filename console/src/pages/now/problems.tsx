import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Card } from '../../parts/card.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { Sign } from '../../parts/sign.tsx'
import { lengthOf, Time, useNow } from '../../parts/time.tsx'

type Now = Answer<'now'>
type Problem = Now['problems']['items'][number]

/** The problems that need a person first, then those that busbar works on. */
export function Problems({ now: { problems } }: { readonly now: Now }) {
  const { items, counts } = problems
  const sorted = [...items].sort((one, other) => rank(one) - rank(other))
  const hidden = [
    ...(counts.ignored > 0 ? [`${count(counts.ignored)} ignored`] : []),
    ...(counts.resolved > 0 ? [`${count(counts.resolved)} resolved`] : []),
  ]
  return (
    <Card
      title="Problems"
      flush
      aside={
        <Link to="/problems" className="link small dim">
          {hidden.length > 0 ? hidden.join(', ') : 'All problems'}
        </Link>
      }
    >
      {sorted.length === 0 ? (
        <Empty title="No problems" sign="ok" tone="ok">
          What fails is gathered here by its cause. Nothing waits for a person.
        </Empty>
      ) : (
        sorted.map((problem) => <Item key={problem.fingerprint} problem={problem} />)
      )}
    </Card>
  )
}

function rank({ needs }: Problem): number {
  return needs === 'person' ? 0 : 1
}

function Item({ problem }: { readonly problem: Problem }) {
  const { fingerprint, systemLabel, title, needs, since, until, owner, state } = problem
  const now = useNow(15_000)
  const person = needs === 'person'
  const many = Math.max(problem.objects, problem.open, problem.pending)
  return (
    <Link
      to="/problems/$fingerprint"
      params={{ fingerprint }}
      className="item"
      data-tone={person ? 'park' : 'retry'}
    >
      <Sign name={person ? 'park' : 'retry'} large />
      <span>
        <span className="t">{title}</span>
        <span className="d block">
          At {systemLabel}.{' '}
          {person ? (
            <b className="tone">Needs a person</b>
          ) : (
            <>
              busbar goes on by itself{until && ', next try '}
              {until && <Time at={until} clock />}
            </>
          )}
          {state === 'acknowledged' && `. ${owner ?? 'Somebody'} looks after it`}
        </span>
      </span>
      <span className="e">
        <b>{many === 0 ? 'none waits' : counted(many, 'object')}</b>
        <span>{lengthOf(now - Date.parse(since))}</span>
      </span>
    </Link>
  )
}

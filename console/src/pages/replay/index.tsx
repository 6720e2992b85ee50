import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useSystemsOf } from '../../me.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { Words } from '../../parts/words.tsx'
import { ReplayActs, Warnings } from './acts.tsx'
import { Comparison } from './comparison.tsx'
import type { Replay } from './figures.ts'
import { eventsWord, progressWords, rampWords, selectionFacts, through } from './figures.ts'
import type { Outcome } from './items.tsx'
import { Items } from './items.tsx'
import { Stages } from './stages.tsx'
import '../replays/replays.css'

/** One replay: its plan, how far it is, what became of each event. */
export function Page() {
  const { id }: { readonly id?: string } = useParams({ strict: false })
  const [outcome] = useSearchValue('outcome')
  const [after] = useSearchValue('after')
  const query = useAsk('replays', 'getReplay', {
    id: Number(id),
    ...(outcome !== undefined && { outcome: outcome as Outcome }),
    ...(after !== undefined && { after: Number(after) }),
  })
  return (
    <Asked query={query}>
      {(replay) => (
        <>
          <Head replay={replay} />
          <div className="cols">
            <div className="stack c8">
              <Stages replay={replay} />
              {replay.state === 'planned' && <Comparison replay={replay} />}
              <Items replay={replay} />
            </div>
            <aside className="stack c4">
              <Rules replay={replay} />
              <Selected replay={replay} />
            </aside>
          </div>
        </>
      )}
    </Asked>
  )
}

function Head({ replay }: { readonly replay: Replay }) {
  const { id, flow, state, why } = replay
  const touches = useSystemsOf()((each) => each.flow === flow)
  return (
    <PageHead
      title={`Replay ${id} of ${flow}`}
      state={<State kind="replay" of={state} pill />}
      crumbs={<Link to="/replays">Replays</Link>}
      touches={touches}
      acts={<ReplayActs replay={replay} touches={touches} />}
    >
      <span className="verdict" role="status">
        {verdictOf(replay)}
        {state !== 'planned' && (
          <>
            {' '}
            It <Words parts={why} />.
          </>
        )}
      </span>
    </PageHead>
  )
}

function verdictOf(replay: Replay): ReactNode {
  const { state, total, startedAt } = replay
  if (state === 'cancelled' && startedAt === null) return 'Nothing of it was sent.'
  if (state === 'planned')
    return (
      <>
        <b>{eventsWord(total)}</b> would be run once more; nothing was sent yet.
      </>
    )
  return (
    <>
      <b>
        {count(through(replay))} of {count(total)} are through
      </b>
      , {progressWords(replay)}.
    </>
  )
}

function Rules({ replay }: { readonly replay: Replay }) {
  const { keys, rate, maxErrors, createdBy, createdAt, reason } = replay
  return (
    <Card title="Rules">
      <Facts
        of={[
          ['Why', reason],
          ['Planned', <PlannedBy key="by" by={createdBy} at={createdAt} />],
          ['Keys', keys === 'same' ? 'the same idempotency keys as before' : 'new idempotency keys'],
          ['Stages', rampWords(replay)],
          ['Pace', `at most ${count(rate)} a second`],
          ['Stops', `above ${Math.round(maxErrors * 100)} % failed in a stage`],
        ]}
      />
    </Card>
  )
}

function PlannedBy({ by, at }: { readonly by: string; readonly at: string }) {
  return (
    <>
      {by}, <Time at={at} />
    </>
  )
}

function Selected({ replay }: { readonly replay: Replay }) {
  const { plan } = replay
  const states = Object.entries(plan.states).map(([state, number]) =>
    state === 'none' ? `${count(number)} from before the flow began` : `${count(number)} ${state}`,
  )
  return (
    <Card title="What was selected">
      <div className="stack">
        <Facts
          of={[
            ...selectionFacts(replay),
            ['In number', count(plan.events)],
            ['Objects', <Objects key="objects" plan={plan} />],
            ['Until then', states.join(', ') || 'nothing'],
          ]}
        />
        {replay.state === 'planned' && <Warnings replay={replay} />}
      </div>
    </Card>
  )
}

function Objects({ plan: { objects, firstObjects } }: { readonly plan: Replay['plan'] }) {
  if (objects === 0) return 'none: these events have no key'
  return (
    <>
      {counted(objects, 'key')}:{' '}
      {firstObjects.map((key, index) => (
        <span key={key}>
          {index > 0 && ', '}
          <Link className="link" to={`/objects/${encodeURIComponent(key)}`}>
            {key}
          </Link>
        </span>
      ))}
      {objects > firstObjects.length && ', …'}
    </>
  )
}

import { Link } from '@tanstack/react-router'
import { Card, Facts } from '../../parts/card.tsx'
import { counted } from '../../parts/measure.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { Words } from '../../parts/words.tsx'
import type { ObjectDetail } from './entries.ts'
import { runName, runPath } from './entries.ts'

/** Below the story: what it waits for, its ids, what must still come. */
export function About({ object }: { readonly object: ObjectDetail }) {
  const { open, expected, conflicts } = object
  return (
    <div className="cols object-about">
      <Card
        title="What it waits for"
        className="c8"
        flush
        aside={open.length > 0 && counted(open.length, 'open run')}
      >
        {open.length === 0 && expected.length === 0 ? (
          <p className="body dim">Nothing: no run of it is open, and no event is expected.</p>
        ) : (
          <ul className="object-open">
            {open.map((run) => (
              <li key={runName(run)}>
                <State of={run.state} at={run.until} />
                <span>
                  <Link to={runPath(run)} className="link">
                    {runName(run)}
                  </Link>
                  <span className="d">
                    <Words parts={run.why} />
                  </span>
                </span>
              </li>
            ))}
            {expected.map(({ name, seq, expected: type, after, state, dueAt, openedAt }) => (
              <li key={`${name}-${seq}`}>
                <State of={state === 'overdue' ? 'parked' : 'waiting'}>
                  {state === 'overdue' ? 'Overdue' : 'Expected'}
                </State>
                <span>
                  {type}
                  <span className="d">
                    must follow {after} of <Time at={openedAt} clock />, due <Time at={dueAt} clock />
                  </span>
                </span>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card title="Known as" className="c4">
        <Facts of={idsOf(object)} />
        {conflicts.length > 0 && (
          <p className="object-conflict">
            {counted(conflicts.length, 'id')} that a step gave {conflicts.length === 1 ? 'was' : 'were'} not
            taken over: {conflicts.map(({ external, system }) => `${external} in ${system}`).join(', ')}.
          </p>
        )}
      </Card>
    </div>
  )
}

function idsOf({
  key,
  links,
  events,
  firstAt,
  lastAt,
}: ObjectDetail): readonly (readonly [string, React.ReactNode])[] {
  return [
    [
      'Key',
      <span key="key" className="mono">
        {key}
      </span>,
    ],
    ...links.map(({ system, external, kind, setBy, at }): readonly [string, React.ReactNode] => [
      system,
      <span key={`${system}-${kind}`}>
        <span className="mono">{external}</span>{' '}
        <span className="faint small">
          {kind}, {setBy === null ? '' : `set by ${setBy} `}
          <Time at={at} />
        </span>
      </span>,
    ]),
    ['Events', counted(events, 'event')],
    ...(firstAt ? [['First', <Time key="first" at={firstAt} clock />] as const] : []),
    ...(lastAt ? [['Last', <Time key="last" at={lastAt} clock />] as const] : []),
  ]
}

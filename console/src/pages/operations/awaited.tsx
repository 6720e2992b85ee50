import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { ReasonDialog } from '../../parts/reason-dialog.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'

type Awaited = Answer<'listAwaited'>['items'][number]

/** What one expectation awaits, object by object: what is overdue first. */
export function AwaitedList({ name }: { readonly name: string }) {
  const [state] = useSearchValue('state')
  const [cursor, setCursor] = useSearchValue('cursor')
  const [asked, setAsked] = useState<Awaited>()
  const query = useAsk('status', 'listAwaited', {
    name,
    ...(state === 'open' || state === 'overdue' ? { state } : {}),
    ...(cursor !== undefined && { cursor }),
  })
  return (
    <Card
      title={`What ${name} awaits`}
      aside={<Filter name={name} state={state} />}
      flush
      className="scrolls"
    >
      <Asked query={query}>
        {({ items, next }) =>
          items.length === 0 ? (
            <p className="body dim">Nothing: what had to come has come.</p>
          ) : (
            <>
              <Rows items={items} onCancel={setAsked} />
              {next !== null && (
                <footer>
                  <button type="button" className="btn s" onClick={() => setCursor(next, true)}>
                    Show the next ones
                  </button>
                </footer>
              )}
            </>
          )
        }
      </Asked>
      {asked && <CancelDialog name={name} awaited={asked} onClose={() => setAsked(undefined)} />}
    </Card>
  )
}

function Filter({ name, state }: { readonly name: string; readonly state: string | undefined }) {
  return (
    <nav className="seg" aria-label="Which">
      {([undefined, 'overdue', 'open'] as const).map((each) => (
        <Link
          key={each ?? 'all'}
          to="/operations"
          search={{ tab: 'expectations', expectation: name, ...(each && { state: each }) }}
          aria-current={each === state ? 'true' : undefined}
        >
          {each === undefined ? 'All' : each === 'overdue' ? 'Overdue' : 'Not due yet'}
        </Link>
      ))}
    </nav>
  )
}

function Rows({
  items,
  onCancel,
}: {
  readonly items: readonly Awaited[]
  readonly onCancel: (awaited: Awaited) => void
}) {
  return (
    <table className="table dense">
      <thead>
        <tr>
          <th>Object</th>
          <th>State</th>
          <th>Due</th>
          <th className="desk-only">Awaited since</th>
          <th className="desk-only">Problem</th>
          <th>
            <span className="sr">Act</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((awaited) => (
          <tr key={awaited.seq}>
            <td>
              <Link className="main-cell" to={`/objects/${encodeURIComponent(awaited.key)}`}>
                {awaited.key}
              </Link>
            </td>
            <td>
              <State kind="engine" of={awaited.state} />
            </td>
            <td>
              <Time at={awaited.dueAt} clock />
            </td>
            <td className="dim desk-only">
              <Time at={awaited.openedAt} />,{' '}
              <Link className="link" to="/events" search={{ seq: awaited.seq }}>
                event {awaited.seq}
              </Link>
            </td>
            <td className="desk-only">
              {awaited.problem === null ? (
                <span className="faint">none</span>
              ) : (
                <Link className="link" to={`/problems/${encodeURIComponent(awaited.problem)}`}>
                  Open it
                </Link>
              )}
            </td>
            <td className="num">
              <ActButton
                className="btn s"
                onClick={() => onCancel(awaited)}
                aria-label={`Await nothing more for ${awaited.key}`}
              >
                Await no longer…
              </ActButton>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

interface CancelDialogProps {
  readonly name: string
  readonly awaited: Awaited
  readonly onClose: () => void
}

function CancelDialog({ name, awaited: { key, seq, state }, onClose }: CancelDialogProps) {
  const { mutate, isPending } = useAct('cancelAwaited', {
    done: () => {
      toast({ tone: 'ok', title: `Nothing more is awaited for ${key}` })
      onClose()
    },
  })
  return (
    <ReasonDialog
      title={`Await nothing more for ${key}?`}
      act="Await no longer"
      keep="Keep waiting"
      busy={isPending}
      onClose={onClose}
      onAct={(reason = '') => mutate({ name, seq, reason })}
    >
      <p className="dim">
        {name} ends for this one order of events{state === 'overdue' ? ', and its problem is resolved' : ''}.
        Nothing is sent, and what comes later is accepted as always.
      </p>
    </ReasonDialog>
  )
}

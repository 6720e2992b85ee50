import { Link } from '@tanstack/react-router'
import { RotateCcw } from 'lucide-react'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { ReasonDialog } from '../../parts/reason-dialog.tsx'
import { State } from '../../parts/state.tsx'
import { lengthOf, Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'
import { Rejected } from './rejected.tsx'

type Outbox = Answer<'readOutbox'>
type Row = Outbox['rejected']['items'][number]

/** What waits in the outbox, and the rows that were set aside: to be mended, tried again, or given up. */
export function Outbox() {
  const [type] = useSearchValue('type')
  const [code] = useSearchValue('code')
  const [cursor, setCursor] = useSearchValue('cursor')
  const [chosen] = useSearchValue('row')
  const query = useAsk('outbox', 'readOutbox', {
    ...(type !== undefined && { type }),
    ...(code !== undefined && { code }),
    ...(cursor !== undefined && { cursor: Number(cursor) }),
  })
  return (
    <Asked query={query}>
      {(outbox) => (
        <div className="cols">
          <div className={chosen === undefined ? 'stack c12' : 'stack c8'}>
            <List
              outbox={outbox}
              filter={{ type, code }}
              chosen={chosen}
              onNext={(next) => setCursor(next, true)}
            />
          </div>
          {chosen !== undefined && (
            <aside className="stack c4">
              <Rejected key={chosen} id={Number(chosen)} />
            </aside>
          )}
        </div>
      )}
    </Asked>
  )
}

interface Filter {
  readonly type: string | undefined
  readonly code: string | undefined
}

interface ListProps {
  readonly outbox: Outbox
  readonly filter: Filter
  readonly chosen: string | undefined
  readonly onNext: (next: string) => void
}

function List({ outbox, filter, chosen, onNext }: ListProps) {
  const [isAsked, setAsked] = useState(false)
  const { items, next } = outbox.rejected
  if (items.length === 0)
    return (
      <section className="card">
        <header>
          <h2>{waitingWords(outbox)}</h2>
          {isNarrowed(filter) && <AllRows />}
        </header>
        <Empty title="No row was set aside" sign="ok" tone="ok">
          Rows come here that an application has published in its own transaction and that cannot become
          events: a wrong type, data that do not fit the contract. They wait for somebody to mend them, so
          that nothing is lost.
        </Empty>
      </section>
    )
  return (
    <Card
      title={waitingWords(outbox)}
      flush
      className="scrolls"
      aside={
        <span className="row">
          {isNarrowed(filter) && <AllRows />}
          <ActButton className="btn s" onClick={() => setAsked(true)}>
            <RotateCcw className="i" aria-hidden="true" />
            Retry {isNarrowed(filter) ? 'all like these' : 'all'}…
          </ActButton>
        </span>
      }
      footer={
        next !== null && (
          <button type="button" className="btn s" onClick={() => onNext(next)}>
            Show older ones
          </button>
        )
      }
    >
      <Rows items={items} filter={filter} chosen={chosen} />
      {isAsked && <RetryAll outbox={outbox} filter={filter} onClose={() => setAsked(false)} />}
    </Card>
  )
}

const isNarrowed = ({ type, code }: Filter) => type !== undefined || code !== undefined

function AllRows() {
  return (
    <Link className="link small" to="/operations" search={{ tab: 'outbox' }}>
      Show all
    </Link>
  )
}

function waitingWords({ waiting, exact, oldestMs, rejectedCount }: Outbox): string {
  const aside = rejectedCount === 0 ? '' : `${counted(rejectedCount, 'row')} set aside; `
  if (waiting === 0) return `${aside}no row waits for the relay`
  const since = oldestMs === null ? '' : `, the oldest for ${lengthOf(oldestMs)}`
  return `${aside}${exact ? '' : 'about '}${counted(waiting, 'row')} ${waiting === 1 ? 'waits' : 'wait'} for the relay${since}`
}

function Rows({
  items,
  filter,
  chosen,
}: {
  readonly items: readonly Row[]
  readonly filter: Filter
  readonly chosen: string | undefined
}) {
  const search = { tab: 'outbox', ...filter }
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Row</th>
          <th>State</th>
          <th>Why</th>
          <th className="num">Set aside</th>
        </tr>
      </thead>
      <tbody>
        {items.map(({ id, type, key, code, message, rejectedAt }) => (
          <tr key={id} aria-selected={String(id) === chosen}>
            <td>
              <Link className="main-cell" to="/operations" search={{ ...search, row: id }}>
                {key ?? `row ${id}`}
              </Link>
              <span className="under">
                <Link
                  to="/operations"
                  search={{ tab: 'outbox', type, ...(filter.code !== undefined && { code: filter.code }) }}
                >
                  {type}
                </Link>
              </span>
            </td>
            <td>
              <State kind="engine" of="rejected" />
            </td>
            <td className="reason">
              {message}
              <span className="under">
                <Link
                  to="/operations"
                  search={{ tab: 'outbox', code, ...(filter.type !== undefined && { type: filter.type }) }}
                >
                  {code}
                </Link>
              </span>
            </td>
            <td className="num">
              <Time at={rejectedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

interface RetryAllProps {
  readonly outbox: Outbox
  readonly filter: Filter
  readonly onClose: () => void
}

function RetryAll({ outbox, filter: { type, code }, onClose }: RetryAllProps) {
  const { mutate, isPending } = useAct('retryManyRejected', {
    done: ({ retried }) => {
      toast({ tone: 'ok', title: `${counted(retried, 'row')} ${retried === 1 ? 'is' : 'are'} judged again` })
      onClose()
    },
  })
  const newest = outbox.rejected.items[0]?.id ?? 0
  const which = [type !== undefined && `of type ${type}`, code !== undefined && `with ${code}`]
    .filter(Boolean)
    .join(' ')
  return (
    <ReasonDialog
      title={`Retry the rows that were set aside${which ? `, ${which}` : ''}?`}
      act="Retry them"
      keep="Leave them"
      needed={false}
      busy={isPending}
      onClose={onClose}
      onAct={(reason) =>
        mutate({
          upTo: newest,
          ...(type !== undefined && { type }),
          ...(code !== undefined && { code }),
          ...(reason !== undefined && { reason }),
        })
      }
    >
      <p className="dim">
        They go back into the outbox, oldest first, {count(1_000)} at a time, and are judged again within a
        second. What still does not fit is set aside anew; no row is lost.
      </p>
    </ReasonDialog>
  )
}

import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import { AwaitedList } from './awaited.tsx'

type Expectation = Answer<'listExpectations'>['items'][number]

/** Events that must follow others: what is overdue, what is awaited. */
export function Expectations() {
  const [chosen] = useSearchValue('expectation')
  const query = useAsk('status', 'listExpectations')
  return (
    <Asked query={query}>
      {({ items }) =>
        items.length === 0 ? (
          <None />
        ) : (
          <div className="stack">
            <List items={items} chosen={chosen} />
            {chosen !== undefined && <AwaitedList key={chosen} name={chosen} />}
          </div>
        )
      }
    </Asked>
  )
}

function None() {
  return (
    <div className="card">
      <Empty sign="wait" title="Nothing is expected">
        An expectation says that one event must follow another within a time: an invoice within two hours of
        an order. Where it does not come, that is a problem with the name of the order. Expectations stand in
        the configuration: expectEvent.
      </Empty>
    </div>
  )
}

function List({
  items,
  chosen,
}: {
  readonly items: readonly Expectation[]
  readonly chosen: string | undefined
}) {
  return (
    <Card title={sentenceOf(items)} flush className="scrolls">
      <table className="table">
        <thead>
          <tr>
            <th>Expectation</th>
            <th>Overdue</th>
            <th>Awaited</th>
            <th className="num">Next due</th>
            <th className="num">Came in time</th>
            <th className="num">Cancelled</th>
          </tr>
        </thead>
        <tbody>
          {items.map((each) => (
            <Row key={each.name} expectation={each} isChosen={each.name === chosen} />
          ))}
        </tbody>
      </table>
    </Card>
  )
}

function sentenceOf(items: readonly Expectation[]): string {
  const overdue = items.reduce((sum, each) => sum + each.overdue, 0)
  const open = items.reduce((sum, each) => sum + each.open, 0)
  return overdue === 0
    ? `Nothing is overdue, ${counted(open, 'event')} awaited`
    : `${counted(overdue, 'expected event')} ${overdue === 1 ? 'has' : 'have'} not come in time, ${counted(open, 'event')} awaited`
}

function Row({ expectation, isChosen }: { readonly expectation: Expectation; readonly isChosen: boolean }) {
  const { name, expected, after, within, overdue, open, oldestAt, nextDueAt, met, cancelled, unread } =
    expectation
  return (
    <tr aria-selected={isChosen}>
      <td>
        <Link className="main-cell" to="/operations" search={{ tab: 'expectations', expectation: name }}>
          {name}
        </Link>
        <span className="under">
          {expected} within {within} of {after}
        </span>
        {unread > 0 && (
          <span className="under">{counted(unread, 'event')} whose object nobody could say</span>
        )}
      </td>
      <td>
        {overdue === 0 ? (
          <span className="faint">none</span>
        ) : (
          <>
            <State kind="engine" of="overdue">
              {count(overdue)} overdue
            </State>
            {oldestAt !== null && (
              <span className="under">
                longest since <Time at={oldestAt} />
              </span>
            )}
          </>
        )}
      </td>
      <td>{open === 0 ? <span className="faint">none</span> : count(open)}</td>
      <td className="num">
        {nextDueAt === null ? <span className="faint">none</span> : <Time at={nextDueAt} clock />}
      </td>
      <td className="num dim">{count(met)}</td>
      <td className="num dim">{count(cancelled)}</td>
    </tr>
  )
}

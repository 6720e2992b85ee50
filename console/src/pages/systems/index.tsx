import { Link, useNavigate } from '@tanstack/react-router'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Meter, Sparkline } from '../../parts/measure.tsx'
import { PageHead } from '../../parts/page.tsx'
import { useRows } from '../../parts/rows.ts'
import { lookOf, State } from '../../parts/state.tsx'
import { credentialWords } from '../../parts/credential-words.ts'
import type { System } from '../../parts/system-words.ts'
import { errorWords, limitShare, limitWords, nameOf } from '../../parts/system-words.ts'
import { duration, lengthOf, Time, useNow } from '../../parts/time.tsx'

/** Which systems are connected, how much of each limit is used, since when one is slow or cut off. */
export function Page() {
  return (
    <>
      <PageHead title="Systems">
        What busbar calls, how much of each limit is used, and which one is cut off.
      </PageHead>
      <Asked query={useAsk('systems', 'listSystems')}>
        {({ items }) => (items.length === 0 ? <None /> : <Systems items={items} />)}
      </Asked>
    </>
  )
}

function None() {
  return (
    <Empty
      title="No systems yet"
      act={
        <Link to="/docs" className="btn">
          Open the docs
        </Link>
      }
    >
      A system appears here when a worker starts whose flows call it.
    </Empty>
  )
}

function Systems({ items }: { readonly items: readonly System[] }) {
  const navigate = useNavigate()
  const rows = useRows(items, {
    id: ({ name }) => name,
    open: ({ name }) => void navigate({ to: '/systems/$name', params: { name } }),
  })
  return (
    <div className="card scroll" tabIndex={0} role="region" aria-label="Systems">
      <table className="table dense">
        <thead>
          <tr>
            <th>System</th>
            <th>State</th>
            <th>Limit in use</th>
            <th className="num">p95</th>
            <th>24 hours, mean</th>
            <th className="num">Errors</th>
            <th className="num">Oldest waiting</th>
            <th className="num">Credentials</th>
          </tr>
        </thead>
        <tbody>
          {items.map((system) => (
            <Row key={system.name} system={system} isCurrent={rows.isCurrent(system)} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Row({ system, isCurrent }: { readonly system: System; readonly isCurrent: boolean }) {
  const { name, standing, changedAt, recent, day, waiting } = system
  const { tone } = lookOf('system', standing)
  const isWell = standing === 'connected'
  const now = useNow(15_000)
  const share = limitShare(system)
  const used = limitWords(system)
  return (
    <tr aria-selected={isCurrent}>
      <td className="main-cell">
        <Link to="/systems/$name" params={{ name }}>
          {nameOf(system)}
        </Link>
      </td>
      <td>
        <State kind="system" of={standing} />
        {!isWell && (
          <span className="sub faint">
            {' '}
            since <Time at={changedAt} clock />
          </span>
        )}
      </td>
      <td className="limit-cell">
        <span className="use">
          <span>{used}</span>
          <span className="faint">{Math.round(share * 100)} %</span>
        </span>
        <Meter used={share} label={used} />
      </td>
      <td className="num">{recent.p95 === null ? 'none' : duration(recent.p95)}</td>
      <td className="spark-cell">
        <Sparkline values={day.map((value) => value ?? 0)} tone={isWell ? 'rest' : tone} />
      </td>
      <td className="num">{errorWords(system)}</td>
      <td className="num">
        {waiting.oldestAt === null ? (
          'none'
        ) : (
          <b className={isWell ? undefined : 'tone'} data-tone={tone}>
            {lengthOf(now - Date.parse(waiting.oldestAt))}
          </b>
        )}
      </td>
      <td className="num dim">{credentialWords(system, now)}</td>
    </tr>
  )
}

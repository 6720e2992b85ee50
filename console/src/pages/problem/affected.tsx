import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import type { Problem } from './index.tsx'

type RunPage = Answer<'listProblemRuns'>

/** The open runs of the problem, in the order they came in. */
export function Affected({ problem }: { readonly problem: Problem }) {
  const [cursor, setCursor] = useSearchValue('cursor')
  const { fingerprint, objects, open, countedTo } = problem
  const query = useAsk('runs', 'listProblemRuns', {
    fingerprint,
    ...(cursor !== undefined && { cursor }),
  })
  const many = open >= countedTo ? `At least ${counted(objects, 'object')}` : counted(objects, 'object')
  return (
    <Card
      title={objects === 0 ? 'Objects affected' : `${many} affected`}
      aside={<span className="faint small">oldest first</span>}
      flush
      footer={
        (cursor !== undefined || query.data?.next) && (
          <>
            {cursor !== undefined && (
              <button type="button" className="btn s" onClick={() => setCursor(undefined, true)}>
                From the oldest
              </button>
            )}
            {query.data?.next && (
              <button
                type="button"
                className="btn s"
                onClick={() => setCursor(query.data.next ?? undefined, true)}
              >
                Next page
              </button>
            )}
          </>
        )
      }
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Objects affected">
        <Asked query={query}>{({ items }) => <Runs items={items} />}</Asked>
      </div>
    </Card>
  )
}

function Runs({ items }: { readonly items: RunPage['items'] }) {
  if (items.length === 0)
    return (
      <p className="body dim">
        None of its runs is open. What was affected stands in the audit trail and at each object.
      </p>
    )
  return (
    <table className="table dense">
      <thead>
        <tr>
          <th>Object</th>
          <th>Stands at step</th>
          <th>Since</th>
          <th className="num desk-only">Attempts</th>
          <th className="desk-only">Behind it</th>
          <th>State</th>
        </tr>
      </thead>
      <tbody>
        {items.map((run) => (
          <RunRow key={`${run.flow}/${run.seq}/${run.generation}`} run={run} />
        ))}
      </tbody>
    </table>
  )
}

function RunRow({ run }: { readonly run: RunPage['items'][number] }) {
  const { flow, seq, generation, key, step, firstAt, receivedAt, attempts, behind, state, nextAt, until } =
    run
  // Begun, but in the queue of a system that is cut off: it goes on when that is tried.
  const waitsForSystem = state === 'running' && until !== null
  const path = generation === 0 ? `${flow}/${seq}` : `${flow}/${seq}/${generation}`
  return (
    <tr>
      <td>
        <Link
          className="main-cell"
          to={key === null ? `/runs/${path}` : `/objects/${encodeURIComponent(key)}`}
        >
          {key ?? path}
        </Link>
      </td>
      <td className="dim">
        <Link className="link" to={`/runs/${path}`}>
          {step ?? flow}
        </Link>
      </td>
      <td>
        <Time at={firstAt ?? receivedAt} />
      </td>
      <td className="num desk-only">{count(attempts)}</td>
      <td className={behind === 0 ? 'faint desk-only' : 'desk-only'}>
        {behind === 0 ? 'none' : counted(behind, 'run')}
      </td>
      <td>
        <State
          of={waitsForSystem ? 'waiting' : state}
          at={waitsForSystem ? until : state === 'retrying' ? nextAt : null}
        />
      </td>
    </tr>
  )
}

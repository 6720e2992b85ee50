import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'

type Worker = Answer<'listWorkers'>['items'][number]
type Part = Worker['groups'][number]

/** The processes that are busbar now, and those that ended without saying so. */
export function Processes() {
  const query = useAsk('status', 'listWorkers')
  return (
    <Asked query={query}>
      {({ items }) => {
        const living = items.filter(({ state }) => state !== 'dead')
        const dead = items.filter(({ state }) => state === 'dead')
        return (
          <div className="stack">
            <Living workers={living} />
            {dead.length > 0 && <Dead workers={dead} />}
          </div>
        )
      }}
    </Asked>
  )
}

function Living({ workers }: { readonly workers: readonly Worker[] }) {
  if (workers.length === 0)
    return (
      <div className="card">
        <Empty sign="park" tone="park" title="No process is live">
          Events are kept and nothing is lost, but no flow is run until one starts: busbar start --role
          worker.
        </Empty>
      </div>
    )
  return (
    <Card title={sentenceOf(workers)} flush className="scrolls">
      <table className="table">
        <thead>
          <tr>
            <th>Process</th>
            <th>State</th>
            <th className="desk-only">Does</th>
            <th className="num">Calls under way</th>
            <th>Flows</th>
            <th>Lane groups</th>
            <th className="num">Started</th>
          </tr>
        </thead>
        <tbody>
          {workers.map((worker) => (
            <LivingRow key={worker.id} worker={worker} />
          ))}
        </tbody>
      </table>
    </Card>
  )
}

function sentenceOf(workers: readonly Worker[]): string {
  const late = workers.filter(({ state }) => state === 'late').length
  const attempts = workers.reduce((sum, worker) => sum + worker.attempts, 0)
  return [
    `${counted(workers.length - late, 'process', 'processes')} live`,
    ...(late > 0 ? [`${count(late)} late: another takes over what it runs`] : []),
    `${counted(attempts, 'call')} under way`,
  ].join(', ')
}

function LivingRow({ worker }: { readonly worker: Worker }) {
  const { id, host, pid, state, draining, roles, attempts, flows, groups, startedAt, leaseUntil } = worker
  const older = flows.filter(({ current }) => !current).length
  const runs = roles.includes('worker')
  return (
    <tr>
      <td>
        <span className="main-cell mono">{id}</span>
        <span className="under">
          {host}
          {pid !== null && `, process ${pid}`}
        </span>
      </td>
      <td>
        <State kind="engine" of={state === 'live' && draining ? 'draining' : state} />
        {state === 'late' && (
          <span className="under">
            lease ended <Time at={leaseUntil} />
          </span>
        )}
      </td>
      <td className="dim desk-only">{roles.join(', ')}</td>
      <td className="num">{runs ? count(attempts) : ''}</td>
      <td className="dim">
        {runs && counted(flows.length, 'flow')}
        {older > 0 && <span className="under">{counted(older, 'older version')}</span>}
      </td>
      <td>
        <Parts of={groups} />
      </td>
      <td className="num">
        <Time at={startedAt} />
      </td>
    </tr>
  )
}

/** Lane groups, by name; a part of one that is divided bears its number. */
function Parts({ of }: { readonly of: readonly Part[] }) {
  if (of.length === 0) return <span className="faint">none</span>
  return of.map(({ name, partition }, index) => (
    <span key={`${name} ${partition}`}>
      {index > 0 && ', '}
      <Link className="link" to="/operations" search={{ tab: 'groups', group: name }}>
        {name}
        {partition > 0 && ` ${partition + 1}`}
      </Link>
    </span>
  ))
}

function Dead({ workers }: { readonly workers: readonly Worker[] }) {
  return (
    <Card title="Ended without saying so" flush className="scrolls">
      <table className="table">
        <thead>
          <tr>
            <th>Process</th>
            <th>Did</th>
            <th>Who runs its lane groups now</th>
            <th className="num">Declared dead</th>
          </tr>
        </thead>
        <tbody>
          {workers.map(({ id, host, roles, left, deadAt }) => (
            <tr key={id}>
              <td>
                <span className="main-cell mono">{id}</span>
                <span className="under">{host}</span>
              </td>
              <td className="dim">{roles.join(', ')}</td>
              <td className="dim">{heirs(left)}</td>
              <td className="num">{deadAt !== null && <Time at={deadAt} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  )
}

function heirs(left: Worker['left']): string {
  if (left.length === 0) return 'it ran none'
  const owners = new Map<string, string[]>()
  for (const { name, owner } of left)
    owners.set(owner ?? 'nobody', [...(owners.get(owner ?? 'nobody') ?? []), name])
  return [...owners].map(([owner, names]) => `${owner}: ${names.join(', ')}`).join('; ')
}

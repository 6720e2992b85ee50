import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count } from '../../parts/measure.tsx'
import { nameOf } from '../../parts/system-words.ts'
import { Time } from '../../parts/time.tsx'

/** What problems can be gathered by, beside their cause. */
export const groupings = ['system', 'flow'] as const
export type Grouping = (typeof groupings)[number]
type Group = Answer<'listProblemGroups'>['items'][number]

const views = [
  [undefined, 'By cause'],
  ['system', 'By system'],
  ['flow', 'By flow'],
] as const

/** By what problems are gathered; it stands in the address. */
export function GroupingLinks({ by }: { readonly by: Grouping | undefined }) {
  return (
    <nav className="seg" aria-label="Gathered">
      {views.map(([name, words]) => (
        <Link
          key={words}
          to="."
          search={(before: Record<string, unknown>) => ({ ...before, by: name, cursor: undefined })}
          {...(by === name && { 'aria-current': 'true' as const })}
          activeProps={{}}
        >
          {words}
        </Link>
      ))}
    </nav>
  )
}

/** Open and acknowledged problems, one row a system or a flow; each leads to its problems. */
export function Groups({ by }: { readonly by: Grouping }) {
  const query = useAsk('problems', 'listProblemGroups', { by })
  return (
    <Asked query={query}>
      {({ items, complete }) =>
        items.length === 0 ? (
          <section className="card">
            <Empty title="No problem is open" sign="ok" tone="ok">
              Runs that fail are gathered here, with what to do about it.
            </Empty>
          </section>
        ) : (
          <section className="card flush">
            <Table by={by} items={items} />
            {!complete && <footer>Of the 500 problems that were seen last.</footer>}
          </section>
        )
      }
    </Asked>
  )
}

function Table({ by, items }: { readonly by: Grouping; readonly items: readonly Group[] }) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th>{by === 'system' ? 'System' : 'Flow'}</th>
          <th className="num">Problems</th>
          <th className="num">Need a person</th>
          <th className="num">Open runs</th>
          <th>Since</th>
          <th>Last seen</th>
        </tr>
      </thead>
      <tbody>
        {items.map((group) => (
          <tr key={group.name ?? ''}>
            <td>
              <Name by={by} group={group} />
            </td>
            <td className="num">{count(group.problems)}</td>
            <td className="num">{group.person === 0 ? '' : <b>{count(group.person)}</b>}</td>
            <td className="num">{group.open === 0 ? '' : count(group.open)}</td>
            <td>
              <Time at={group.since} />
            </td>
            <td>
              <Time at={group.lastSeen} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Name({ by, group: { name, label } }: { readonly by: Grouping; readonly group: Group }) {
  if (name === null) return <span className="dim">of no flow: a system, an expected event, the outbox</span>
  return (
    <Link className="main-cell" to="/problems" search={{ [by]: name }}>
      {by === 'system' ? nameOf({ label: label ?? name }) : name}
    </Link>
  )
}

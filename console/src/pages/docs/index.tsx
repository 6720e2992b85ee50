import { Link } from '@tanstack/react-router'
import { Download } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { useRows } from '../../parts/rows.ts'
import { Time } from '../../parts/time.tsx'
import { TypePanel } from './type-panel.tsx'
import './docs.css'

type Catalog = Answer<'readCatalog'>
export type EventType = Catalog['items'][number]

const files = [
  { name: 'Events, AsyncAPI 3', href: '/api/v1/catalog/asyncapi', file: 'asyncapi.json' },
  { name: 'Publishing, OpenAPI', href: '/api/v1/catalog/openapi', file: 'publishing.openapi.json' },
  { name: 'Control API, OpenAPI', href: '/api/v1/openapi.json', file: 'control.openapi.json' },
] as const

/** What this busbar takes and what becomes of it, told by its own declarations and traffic. */
export function Page() {
  const query = useAsk('catalog', 'readCatalog')
  return (
    <>
      <PageHead
        title="Docs"
        acts={files.map(({ name, href, file }) => (
          <a key={href} className="btn" href={href} download={file}>
            <Download className="i" aria-hidden="true" />
            {name}
          </a>
        ))}
      >
        {query.data
          ? sentence(query.data)
          : 'Every event type: its schema, who sends it, and what runs on it.'}
      </PageHead>
      <Asked query={query}>{(catalog) => <Types catalog={catalog} />}</Asked>
    </>
  )
}

function sentence({ name, items, sources, sample }: Catalog): string {
  const flows = new Set(items.flatMap(({ consumers }) => consumers.map(({ flow }) => flow)))
  const told = `${name} takes ${counted(items.length, 'event type')}, on which ${counted(flows.size, 'flow')} ${flows.size === 1 ? 'runs' : 'run'}`
  const from =
    sources.length === 0 ? '' : `, and has ${counted(sources.length, 'source')} beside POST /events`
  return `${told}${from}. Volumes are of the newest ${count(sample.events)} events.`
}

function Types({ catalog }: { readonly catalog: Catalog }) {
  const [chosen, choose] = useSearchValue('type')
  const { items } = catalog
  const rows = useRows<EventType>(items, {
    id: ({ type }) => type,
    open: ({ type }) => choose(type, true),
  })
  const one = items.find(({ type }) => type === chosen)
  if (items.length === 0)
    return (
      <div className="card">
        <Empty title="No event type is declared yet" sign="pending">
          Declare one in busbar.config.ts with defineEvent, and a flow that runs on it: it stands here, with
          its schema and an example.
        </Empty>
      </div>
    )
  return (
    <div className="cols">
      <section className={`card scrolls ${one ? 'c7' : 'c12'}`} aria-label="Event types" tabIndex={0}>
        <table className="table">
          <thead>
            <tr>
              <th>Event type</th>
              <th className="desk-only">From</th>
              <th>Flows</th>
              <th className="num">An hour</th>
              <th className="num desk-only">Last</th>
            </tr>
          </thead>
          <tbody>
            {items.map((each) => (
              <TypeRow
                key={each.type}
                of={each}
                isChosen={each === one || rows.isCurrent(each)}
                onChoose={() => choose(each.type, true)}
              />
            ))}
          </tbody>
        </table>
      </section>
      {one && <TypePanel of={one} onClose={() => choose(undefined)} />}
    </div>
  )
}

function TypeRow({
  of,
  isChosen,
  onChoose,
}: {
  readonly of: EventType
  readonly isChosen: boolean
  readonly onChoose: () => void
}) {
  const { type, version, producers, consumers, perHour, lastAt } = of
  return (
    <tr aria-selected={isChosen}>
      <td>
        <button type="button" className="main-cell as-text" onClick={onChoose}>
          {type}
        </button>
        <span className="under">{version === '' ? 'no contract here' : `version ${version}`}</span>
      </td>
      <td className="dim desk-only reason">
        {producers.slice(0, 3).join(', ') || 'nobody yet'}
        {producers.length > 3 && ` and ${producers.length - 3} more`}
      </td>
      <td className="reason">
        {consumers.length === 0 && <span className="faint">none</span>}
        {consumers.map(({ flow, systems }) => (
          <span key={flow} className="consumer">
            <Link className="link" to="/map" search={{ flow }}>
              {flow}
            </Link>
            {systems.length > 0 && <span className="faint"> calls {systems.join(', ')}</span>}
          </span>
        ))}
      </td>
      <td className="num">
        {perHour === null ? <span className="faint">none</span> : count(Math.round(perHour))}
      </td>
      <td className="num dim desk-only">{lastAt === null ? 'never' : <Time at={lastAt} />}</td>
    </tr>
  )
}

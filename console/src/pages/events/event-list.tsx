import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Sign } from '../../parts/sign.tsx'
import { lookOf } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'

type Page = Answer<'listEvents'>
type Summary = Page['items'][number]

interface EventListProps {
  readonly page: Page
  readonly chosen: string | undefined
  readonly isCurrent: (event: Summary) => boolean
  readonly onChoose: (seq: string) => void
  readonly onOlder: (next: string) => void
  readonly isOlder: boolean
  readonly onNewest: () => void
  readonly wide: boolean
}

/** The events as a table; choosing one shows it beside. */
export function EventList(props: EventListProps) {
  const { page, chosen, isCurrent, onChoose, wide } = props
  return (
    <section className={`card scrolls ${wide ? 'c12' : 'c8'}`} aria-label="Accepted events" tabIndex={0}>
      <table className="table dense">
        <thead>
          <tr>
            <th>Accepted</th>
            <th>Type</th>
            <th>Key</th>
            <th>Flows</th>
            <th className="num desk-only">Size</th>
          </tr>
        </thead>
        <tbody>
          {page.items.map((event) => (
            <Row
              key={event.seq}
              event={event}
              isChosen={String(event.seq) === chosen || isCurrent(event)}
              onChoose={() => onChoose(String(event.seq))}
            />
          ))}
        </tbody>
      </table>
      {page.looked !== null && <Looked since={page.looked.since} none={page.items.length === 0} />}
      <footer className="row">
        {props.isOlder && (
          <button type="button" className="btn s" onClick={props.onNewest}>
            Show the newest
          </button>
        )}
        {page.next !== null && (
          <button type="button" className="btn s" onClick={() => props.onOlder(page.next ?? '')}>
            Show older ones
          </button>
        )}
        <Legend />
      </footer>
    </section>
  )
}

/** A rare event costs no endless search: who wants to go on, does. */
function Looked({ since, none }: { readonly since: string; readonly none: boolean }) {
  return (
    <p className="body dim">
      {none ? 'None' : 'No more'} among the events that were looked through, back to <Time at={since} clock />
      : older ones may fit.
    </p>
  )
}

function Row({
  event,
  isChosen,
  onChoose,
}: {
  readonly event: Summary
  readonly isChosen: boolean
  readonly onChoose: () => void
}) {
  const { type, key, runs, bytes, receivedAt } = event
  return (
    <tr aria-selected={isChosen}>
      <td className="mono faint">
        <Time at={receivedAt} seconds />
      </td>
      <td>
        <button type="button" className="main-cell as-text" onClick={onChoose}>
          {type}
        </button>
      </td>
      <td>
        {key !== null && (
          <Link to="/objects/$key" params={{ key }}>
            {key}
          </Link>
        )}
      </td>
      <td>
        <span className="row flows">
          {runs.length === 0 && <span className="faint">no flow runs on it</span>}
          {runs.slice(0, 4).map(({ flow, generation, state }) => (
            <FlowSign key={`${flow} ${generation}`} flow={flow} state={state} />
          ))}
          {runs.length > 4 && <span className="faint">and {runs.length - 4} more</span>}
        </span>
      </td>
      <td className="num dim desk-only">{sizeOf(bytes)}</td>
    </tr>
  )
}

function FlowSign({ flow, state }: { readonly flow: string; readonly state: string }) {
  const { word, sign, tone } = lookOf('run', state)
  return (
    <span className="row flow" title={`${flow}: ${word.toLowerCase()}`}>
      <span className="tone" data-tone={tone}>
        <Sign name={sign} />
      </span>
      <span className="sr">{word}: </span>
      {flow}
    </span>
  )
}

const shown = ['succeeded', 'running', 'retrying', 'waiting', 'parked', 'pending'] as const

function Legend() {
  return (
    <span className="row legend desk-only" aria-hidden="true">
      {shown.map((state) => {
        const { word, sign, tone } = lookOf('run', state)
        return (
          <span key={state} className="row flow">
            <span className="tone" data-tone={tone}>
              <Sign name={sign} />
            </span>
            {word.toLowerCase()}
          </span>
        )
      })}
    </span>
  )
}

/** `0.3 KB`, `1.2 MB`. */
export function sizeOf(bytes: number): string {
  return bytes < 1_000_000
    ? `${Math.max(0.1, bytes / 1_000).toFixed(1)} KB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`
}

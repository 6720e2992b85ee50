import { Link } from '@tanstack/react-router'
import { Copy } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { Payload, written } from '../../parts/payload.tsx'
import { State } from '../../parts/state.tsx'
import { duration, Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'
import { pathTo, Words } from '../../parts/words.tsx'
import { useKeys } from '../../keyboard.ts'
import { sizeOf } from './event-list.tsx'

type Event = Answer<'getEvent'>

/** One event: what each flow made of it, what it says of itself, its data. */
export function EventPanel({ seq, onClose }: { readonly seq: number; readonly onClose: () => void }) {
  const query = useAsk('events', 'getEvent', { seq })
  useKeys({ Escape: onClose, u: onClose })
  return (
    <div className="c4 side-panel">
      <Asked query={query}>{(event) => <Shown event={event} onClose={onClose} />}</Asked>
    </div>
  )
}

function Shown({ event, onClose }: { readonly event: Event; readonly onClose: () => void }) {
  const { type, key, runs, data, bytes } = event
  return (
    <Card
      flush
      title={type}
      aside={
        <span className="row">
          {key !== null && (
            <Link className="link small dim" to="/objects/$key" params={{ key }}>
              Open {key}
            </Link>
          )}
          <button type="button" className="btn s ghost" onClick={onClose}>
            Close
          </button>
        </span>
      }
    >
      <div className="body ruled">
        {runs.length === 0 && <p className="dim">No flow runs on events of this type.</p>}
        {runs.map((run) => (
          <RunLine key={`${run.flow} ${run.generation}`} run={run} seq={event.seq} />
        ))}
      </div>
      <div className="body ruled">
        <Facts of={factsOf(event)} />
      </div>
      <div className="pair one">
        <div>
          <h3>
            Data, {sizeOf(bytes)}
            <button type="button" className="btn s ghost" onClick={() => void copy(data)}>
              <Copy className="i" aria-hidden="true" />
              Copy
            </button>
          </h3>
          <Payload value={data} />
        </div>
      </div>
    </Card>
  )
}

function RunLine({ run, seq }: { readonly run: Event['runs'][number]; readonly seq: number }) {
  const { flow, generation, state, why, until } = run
  const id = generation === 0 ? `${flow}/${seq}` : `${flow}/${seq}/${generation}`
  const calm = state === 'succeeded' || state === 'skipped' || state === 'superseded'
  return (
    <div className="run-line">
      <div className="row between">
        {state === 'pending' ? (
          <span>{flow}</span>
        ) : (
          <Link className="link" to={pathTo('run', id)}>
            {flow}
            {generation > 0 && ` (replay ${generation})`}
          </Link>
        )}
        <State of={state} at={until} />
      </div>
      {!calm && (
        <p className="small dim">
          <Words parts={why} />
        </p>
      )}
    </div>
  )
}

function factsOf(event: Event): (readonly [string, React.ReactNode])[] {
  const { source, id, seq, key, subject, time, receivedAt, dataschema, extensions, type } = event
  const lateMs = time === null ? null : Date.parse(receivedAt) - Date.parse(time)
  return [
    ['Identity', <span key="id" className="mono">{`${source} / ${id}`}</span>],
    [
      'Seq',
      <span key="seq" className="mono">
        {seq}
      </span>,
    ],
    ...(key === null ? [] : ([['Key', key]] as const)),
    ...(subject === null || subject === key ? [] : ([['Subject', subject]] as const)),
    [
      time === null ? 'Accepted' : 'Happened',
      <span key="at">
        <Time at={time ?? receivedAt} seconds />
        {lateMs !== null && lateMs >= 0 && `, accepted ${duration(lateMs)} later`}
      </span>,
    ],
    [
      'Contract',
      <Link key="type" className="link" to="/docs" search={{ type }}>
        {type}
      </Link>,
    ],
    ...(dataschema === null ? [] : ([['Schema', dataschema]] as const)),
    ...Object.entries(extensions).map(
      ([name, value]) =>
        [name === 'busbartest' ? 'Test event' : name, name === 'busbartest' ? 'yes' : value] as const,
    ),
  ]
}

async function copy(data: unknown): Promise<void> {
  try {
    await navigator.clipboard.writeText(written(data))
    toast({ tone: 'ok', title: 'The data are copied' })
  } catch {
    toast({ tone: 'park', title: 'The browser does not let it be copied', text: 'Select the text instead.' })
  }
}

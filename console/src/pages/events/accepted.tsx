import { useQueryClient } from '@tanstack/react-query'
import { Pause, Play, Search } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Key, useSearchValue } from '../../parts/page.tsx'
import { useRows } from '../../parts/rows.ts'
import { useNow } from '../../parts/time.tsx'
import { useKeys } from '../../keyboard.ts'
import { EventList } from './event-list.tsx'
import { EventPanel } from './event-panel.tsx'
import { Choice, useFilters } from './filters.tsx'

type EventType = Answer<'readCatalog'>['items'][number]
type Summary = Answer<'listEvents'>['items'][number]

const perPage = 50

interface AcceptedProps {
  readonly types: readonly EventType[]
  readonly held: boolean
  readonly onHold: (held: boolean) => void
}

/** The list with its filters, and the chosen event beside it. */
export function Accepted({ types, held, onHold }: AcceptedProps) {
  const { filters, query, set, isFiltered, clear } = useFilters()
  const [seq, choose] = useSearchValue('seq')
  const page = useAsk(held ? 'events-held' : 'events', 'listEvents', { ...query, limit: perPage })
  useFresh(!held)
  const items = page.data?.items ?? []
  const rows = useRows<Summary>(items, {
    id: ({ seq: each }) => String(each),
    open: ({ seq: each }) => choose(String(each), true),
  })
  const { flowsKnown, sources } = knownOf(types)
  return (
    <>
      <div className="filters events-filters">
        <KeyField value={filters.key} onChange={(key) => set('key', key)} />
        <Choice
          name="Type"
          value={filters.type}
          options={types.map(({ type }) => type)}
          onChange={(type) => set('type', type)}
        />
        <Choice
          name="Source"
          value={filters.source}
          options={sources}
          onChange={(source) => set('source', source)}
        />
        <Choice
          name="Outcome"
          value={filters.state}
          options={[
            'parked',
            'retrying',
            'waiting',
            'running',
            'succeeded',
            'skipped',
            'superseded',
            'compensated',
          ]}
          onChange={(state) => set('state', state)}
        />
        <Choice
          name="Time"
          value={filters.within}
          options={['last hour', 'last day', 'last week']}
          onChange={(within) => set('within', within)}
        />
        {isFiltered && (
          <button type="button" className="btn s ghost" onClick={clear}>
            Show all
          </button>
        )}
        <button
          type="button"
          className="btn s end desk-only"
          aria-pressed={held}
          onClick={() => onHold(!held)}
        >
          {held ? <Play className="i" aria-hidden="true" /> : <Pause className="i" aria-hidden="true" />}
          {held ? 'Go on' : 'Hold list'} <Key>P</Key>
        </button>
      </div>
      <Asked query={page}>
        {(answer) =>
          answer.items.length === 0 && answer.next === null && seq === undefined ? (
            <Nothing isFiltered={isFiltered} onClear={clear} hasFlows={flowsKnown} />
          ) : (
            <div className="cols">
              <EventList
                page={answer}
                chosen={seq}
                isCurrent={rows.isCurrent}
                onChoose={(each) => choose(each, true)}
                onOlder={(next) => set('before', next)}
                isOlder={filters.before !== undefined}
                onNewest={() => set('before', undefined)}
                wide={seq === undefined}
              />
              {seq !== undefined && <EventPanel seq={Number(seq)} onClose={() => choose(undefined)} />}
            </div>
          )
        }
      </Asked>
    </>
  )
}

/** Asked again every few seconds while it is on screen: new events are too many to be told of one by one. */
function useFresh(on: boolean): void {
  const queries = useQueryClient()
  const now = useNow(on ? 4_000 : 0)
  useEffect(() => {
    if (on && !document.hidden) void queries.invalidateQueries({ queryKey: ['events', 'listEvents'] })
  }, [on, now, queries])
}

function knownOf(types: readonly EventType[]): { flowsKnown: boolean; sources: string[] } {
  return {
    flowsKnown: types.some(({ consumers }) => consumers.length > 0),
    sources: [...new Set(types.flatMap(({ producers }) => producers))].sort(),
  }
}

/** Typing changes the address when it rests, so that not every letter asks the server. */
function KeyField({
  value,
  onChange,
}: {
  readonly value: string | undefined
  readonly onChange: (value: string | undefined) => void
}) {
  const [typed, setTyped] = useState(value ?? '')
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  useEffect(() => setTyped(value ?? ''), [value])
  useEffect(() => {
    if (typed === (value ?? '')) return
    const timer = setTimeout(() => onChange(typed === '' ? undefined : typed), 300)
    return () => clearTimeout(timer)
  })
  return (
    <label className="key-field">
      <Search className="i" aria-hidden="true" />
      <input
        ref={field}
        className="input"
        type="search"
        aria-label="Key of the business object"
        placeholder="Key, such as an order number"
        maxLength={255}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
    </label>
  )
}

function Nothing({
  isFiltered,
  onClear,
  hasFlows,
}: {
  readonly isFiltered: boolean
  readonly onClear: () => void
  readonly hasFlows: boolean
}) {
  return (
    <div className="card">
      {isFiltered ? (
        <Empty
          title="No event is like that"
          act={
            <button type="button" className="btn" onClick={onClear}>
              Show all events
            </button>
          }
        >
          None in the whole log fits all filters.
        </Empty>
      ) : (
        <Empty title="No event has come in yet" sign="pending">
          {hasFlows
            ? 'Send one to POST /events, or publish a test event to see what becomes of it.'
            : 'Declare an event and a flow that runs on it in busbar.config.ts, then send one to POST /events.'}
        </Empty>
      )}
    </div>
  )
}

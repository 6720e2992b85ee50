import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { Search } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Answer } from '../../api.ts'
import { call } from '../../api.ts'
import { useKeys } from '../../keyboard.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { counted } from '../../parts/measure.tsx'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { useRows } from '../../parts/rows.ts'
import { Time } from '../../parts/time.tsx'
import { Words } from '../../parts/words.tsx'
import { shortName } from '../object/entries.ts'
import { ObjectState } from '../object/state.tsx'
import './objects.css'

const filters = [
  ['', 'All'],
  ['open', 'Not done'],
  ['parked', 'Parked'],
  ['retrying', 'Retrying'],
  ['waiting', 'Waiting'],
] as const
type Filter = Exclude<(typeof filters)[number][0], ''>

/** Finding business objects: those that were seen last, those that are not done, and any by one of its ids. */
export function Page() {
  const [q, setQ] = useSearchValue('q')
  const [state, setState] = useSearchValue('state')
  return (
    <>
      <PageHead title="Objects">
        Orders, customers, articles: whatever events are about, under their key and under every id that a
        system gave them.
      </PageHead>
      <div className="filters objects-filters">
        <Finder asked={q ?? ''} onAsk={(next) => setQ(next === '' ? undefined : next)} />
        <div className="seg" role="group" aria-label="Which objects">
          {filters.map(([value, name]) => (
            <button
              key={value}
              type="button"
              aria-pressed={(state ?? '') === value && q === undefined}
              disabled={q !== undefined}
              onClick={() => setState(value === '' ? undefined : value, true)}
            >
              {name}
            </button>
          ))}
        </div>
      </div>
      {q === undefined ? <Recent state={state as Filter | undefined} /> : <Found q={q} />}
    </>
  )
}

function Finder({ asked, onAsk }: { readonly asked: string; readonly onAsk: (words: string) => void }) {
  const [words, setWords] = useState(asked)
  const field = useRef<HTMLInputElement>(null)
  const ask = useRef(onAsk)
  useEffect(() => {
    ask.current = onAsk
  })
  useKeys({ '/': () => field.current?.focus() })
  useEffect(() => {
    if (words.trim() === asked) return
    const timer = setTimeout(() => ask.current(words.trim()), 200)
    return () => clearTimeout(timer)
  }, [words, asked])
  return (
    <label className="objects-find">
      <Search className="i" aria-hidden="true" />
      <input
        ref={field}
        type="search"
        className="input"
        aria-label="Find an object by its key or by an id of any system"
        placeholder="A key or an id of any system, or how it begins"
        value={words}
        onChange={(event) => setWords(event.target.value)}
      />
    </label>
  )
}

type Item = Answer<'listObjects'>['items'][number]

function Recent({ state }: { readonly state: Filter | undefined }) {
  const query = useInfiniteQuery({
    queryKey: ['runs', 'listObjects', state ?? null],
    queryFn: ({ pageParam }) =>
      call('listObjects', { limit: 50, ...(state && { state }), ...(pageParam && { cursor: pageParam }) }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
  })
  const items = [
    ...new Map(
      (query.data?.pages ?? []).flatMap((page) => page.items).map((item) => [item.key, item]),
    ).values(),
  ]
  const navigate = useNavigate()
  const rows = useRows(items, {
    id: ({ key }) => key,
    open: ({ key }) => void navigate({ to: '/objects/$key', params: { key } }),
  })
  if (query.isPending)
    return (
      <p className="loading faint" role="status">
        Loading …
      </p>
    )
  if (query.error)
    return <Empty sign="ask" tone="park" title="This cannot be shown now">{`${query.error.message}.`}</Empty>
  if (items.length === 0 && !query.hasNextPage)
    return state === undefined ? (
      <Empty
        title="No object yet"
        act={
          <Link to="/events" className="btn primary">
            Publish a test event…
          </Link>
        }
      >
        As soon as an event with a key comes in, what it is about stands here with its whole story.
      </Empty>
    ) : (
      <Empty title="No object is like that">None has a run in this state now.</Empty>
    )
  return (
    <section className="card" aria-label="Objects">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Object</th>
            <th scope="col">State</th>
            <th scope="col">Came last</th>
            <th scope="col" className="num">
              Not done
            </th>
            <th scope="col" className="num">
              Seen
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <Row key={item.key} item={item} isCurrent={rows.isCurrent(item)} />
          ))}
        </tbody>
      </table>
      {query.hasNextPage && (
        <footer>
          <button type="button" className="btn s" onClick={() => void query.fetchNextPage()}>
            {query.isFetchingNextPage ? 'Loading …' : 'Show older objects'}
          </button>
        </footer>
      )}
    </section>
  )
}

function Row({ item, isCurrent }: { readonly item: Item; readonly isCurrent: boolean }) {
  const { key, state, open, type, source, lastSeen } = item
  return (
    <tr aria-selected={isCurrent}>
      <td className="main-cell">
        <Link to="/objects/$key" params={{ key }}>
          {key}
        </Link>
      </td>
      <td>
        <ObjectState of={state} />
      </td>
      <td>
        {type} <span className="faint">from {shortName(source)}</span>
      </td>
      <td className="num">{open === 0 ? <span className="faint">none</span> : counted(open, 'run')}</td>
      <td className="num">
        <Time at={lastSeen} />
      </td>
    </tr>
  )
}

function Found({ q }: { readonly q: string }) {
  const query = useAsk('runs', 'search', { q, kind: 'object', limit: 50 })
  return (
    <Asked query={query}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty sign="ask" title={`Nothing is called “${q}”`}>
            busbar looks at how keys and ids of systems begin. Try the beginning of an id, or press Ctrl K to
            look everywhere.
          </Empty>
        ) : (
          <section className="card" aria-label="Found">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Object</th>
                  <th scope="col">State</th>
                  <th scope="col">Known by</th>
                  <th scope="col" className="num">
                    Seen
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map(({ id, state, about, lastSeen }) => (
                  <tr key={id}>
                    <td className="main-cell">
                      <Link to="/objects/$key" params={{ key: id }}>
                        {id}
                      </Link>
                    </td>
                    <td>
                      <ObjectState of={state ?? 'done'} />
                    </td>
                    <td>
                      <Words parts={about} />
                    </td>
                    <td className="num">{lastSeen && <Time at={lastSeen} />}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )
      }
    </Asked>
  )
}

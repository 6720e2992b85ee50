import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ChevronRight, Pencil, SquareArrowOutUpRight } from 'lucide-react'
import { useNavigate } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { ApiError, call } from '../../api.ts'
import { useMayNot } from '../../me.ts'
import { useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Key, PageHead, useSearchValue } from '../../parts/page.tsx'
import { isCutOff } from '../../parts/system-words.ts'
import { Words } from '../../parts/words.tsx'
import { useActs } from '../../shell/acts.ts'
import { Axis } from './axis.tsx'
import { About } from './about.tsx'
import type { Entry, ObjectDetail } from './entries.ts'
import { runPath } from './entries.ts'
import { Journey } from './journey.tsx'
import { Line } from './line.tsx'
import { ObjectState } from './state.tsx'
import { isView, Tabs, Tables } from './tables.tsx'
import './object.css'

/** One business object: where it is stuck and why, and all that happened to it. */
export function Page() {
  const { key }: { readonly key?: string } = useParams({ strict: false })
  return key === undefined ? null : <Told name={key} key={key} />
}

function Told({ name }: { readonly name: string }) {
  const query = useInfiniteQuery({
    queryKey: ['runs', 'getObject', name],
    queryFn: ({ pageParam }) =>
      call('getObject', { key: name, ...(pageParam !== '' && { before: Number(pageParam) }) }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
  })
  const systems = useAsk('systems', 'listSystems')
  const [object] = query.data?.pages ?? []
  if (!object) return <Missing name={name} error={query.error} />
  const story = (query.data?.pages ?? [])
    .flatMap((page) => page.story)
    .sort((one, other) => one.at.localeCompare(other.at))
  const older = query.hasNextPage && (
    <p className="object-older">
      <button type="button" className="btn s" onClick={() => void query.fetchNextPage()}>
        {query.isFetchingNextPage ? 'Loading …' : 'Show what happened before'}
      </button>
    </p>
  )
  return <Story object={object} story={story} systems={systems.data?.items ?? []} older={older} />
}

function Story({
  object,
  story,
  systems,
  older,
}: {
  readonly object: ObjectDetail
  readonly story: readonly Entry[]
  readonly systems: Answer<'listSystems'>['items']
  readonly older: React.ReactNode
}) {
  const [asked] = useSearchValue('view')
  const view = isView(asked) ? asked : 'story'
  const columns = [
    ...new Set([
      ...object.systems,
      ...story.flatMap(({ system }) => system ?? []),
      ...(object.journey?.steps ?? []).flatMap(({ system }) => system ?? []),
    ]),
  ]
  return (
    <>
      <Head object={object} />
      {object.journey && <Journey journey={object.journey} />}
      <Tabs view={view} story={story} />
      {older}
      {view === 'story' && <Axis object={object} story={story} columns={columns} systems={systems} />}
      {view === 'story' ? (
        <Line story={story} cut={systems.filter((each) => isCutOff(each) && columns.includes(each.name))} />
      ) : (
        <Tables view={view} story={story} />
      )}
      <About object={object} />
    </>
  )
}

function Head({ object }: { readonly object: ObjectDetail }) {
  const { key, kind, verdict, state, open } = object
  const navigate = useNavigate()
  const stuck =
    open.find((run) => run.state === 'parked') ?? open.find((run) => run.state !== 'waiting') ?? open[0]
  const mayNot = useMayNot({ touches: stuck?.system == null ? [] : [stuck.system] })
  const edits = stuck?.state === 'parked' && stuck.step !== null && mayNot === undefined
  const to =
    stuck && `${runPath(stuck)}${edits ? `?act=edit&step=${encodeURIComponent(stuck.step ?? '')}` : ''}`
  const name = edits ? `Fix ${stuck.step}…` : 'Open the run'
  useActs([to !== undefined && { name, needs: 'read', key: 'e', run: () => void navigate({ to }) }])
  const title = kind === null ? key : `${kind[0]?.toUpperCase()}${kind.slice(1)} ${key}`
  return (
    <PageHead
      title={title}
      state={<ObjectState of={state} pill />}
      crumbs={
        <>
          <Link to="/objects">Objects</Link>
          <ChevronRight className="i" aria-hidden="true" />
          <span>{key}</span>
        </>
      }
      needs="read"
      acts={
        to && (
          <Link to={to} className="btn primary" role="button">
            {edits ? (
              <Pencil className="i" aria-hidden="true" />
            ) : (
              <SquareArrowOutUpRight className="i" aria-hidden="true" />
            )}
            {name}
            <Key>E</Key>
          </Link>
        )
      }
    >
      <span className="verdict" aria-live="polite">
        <Verdict parts={verdict} />
      </span>
    </PageHead>
  )
}

/** The first sentence stands out. */
function Verdict({ parts }: { readonly parts: ObjectDetail['verdict'] }) {
  const end = parts.findIndex((part) => part.kind === 'text' && /\.( |$)/.test(part.text))
  const last = parts[end]
  if (last?.kind !== 'text') return <Words parts={parts} />
  const at = last.text.search(/\.( |$)/) + 1
  return (
    <>
      <b>
        <Words parts={[...parts.slice(0, end), { ...last, text: last.text.slice(0, at) }]} />
      </b>
      <Words parts={[{ ...last, text: last.text.slice(at) }, ...parts.slice(end + 1)]} />
    </>
  )
}

function Missing({ name, error }: { readonly name: string; readonly error: Error | null }) {
  if (error === null)
    return (
      <>
        <PageHead title={name} />
        <p className="loading faint" role="status">
          Loading …
        </p>
      </>
    )
  const unknown = error instanceof ApiError && error.status === 404
  return (
    <>
      <PageHead title={name} />
      <Empty
        sign="ask"
        title={unknown ? `Nothing is known of ${name}` : 'This cannot be shown now'}
        act={
          <Link to="/objects" search={{ q: name }} className="btn primary">
            Look for what begins so
          </Link>
        }
      >
        {unknown ? 'No event has this key, and no system has given this id.' : `${error.message}.`}
      </Empty>
    </>
  )
}

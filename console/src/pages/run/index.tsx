import { Link, useParams } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { ApiError } from '../../api.ts'
import { whyNot } from '../../may.ts'
import { useMe } from '../../me.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Key, PageHead, useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { Words } from '../../parts/words.tsx'
import type { Act } from '../../shell/acts.ts'
import { useActs } from '../../shell/acts.ts'
import { runName } from '../object/entries.ts'
import { Attempts } from './attempts.tsx'
import { ActDialog } from './dialogs.tsx'
import { Edit } from './edit.tsx'
import { StepGraph } from './graph.tsx'
import type { RunDetail, RunRef } from './run.ts'
import { parseRun, stepOfInterest } from './run.ts'
import { Acts, FactsOfRun, StepData } from './sides.tsx'
import type { Way } from './ways.ts'
import { waysOut } from './ways.ts'
import './run.css'

/** One run: which step failed, what was sent and answered, and what can be done. */
export function Page() {
  const { _splat = '' }: { readonly _splat?: string } = useParams({ strict: false })
  const ref = parseRun(_splat)
  if (!ref)
    return (
      <Empty
        sign="ask"
        title="This is no run"
        act={
          <Link to="/objects" className="btn primary">
            Go to Objects
          </Link>
        }
      >
        Runs are written as flow/number, such as order-to-cash/1042.
      </Empty>
    )
  return <Told run={ref} key={_splat} />
}

function Told({ run }: { readonly run: RunRef }) {
  const query = useAsk('runs', 'getRun', run)
  if (query.data) return <Shown run={query.data} />
  const isUnknown = query.error instanceof ApiError && query.error.status === 404
  return (
    <>
      <PageHead title={runName(run)} />
      {query.error ? (
        <Empty sign="ask" title={isUnknown ? 'There is no such run yet' : 'This cannot be shown now'}>
          {query.error.message}.
        </Empty>
      ) : (
        <p className="loading faint" role="status">
          Loading …
        </p>
      )}
    </>
  )
}

function Shown({ run }: { readonly run: RunDetail }) {
  const [chosen] = useSearchValue('step')
  const [asking, ask] = useSearchValue('act')
  const step = run.steps.find(({ name }) => name === chosen) ?? stepOfInterest(run.steps)
  const ways = step ? waysOut(run, step) : []
  const open = (way: Way) => ask(way.asking)
  const close = () => ask(undefined)
  useActs(
    ways.map((way): Act => ({
      ...{ name: `${way.name}…`, icon: way.icon, key: way.key, touches: way.touches },
      run: () => open(way),
    })),
  )
  const me = useMe()
  const now = ways.find((way) => way.asking === asking && me && whyNot(me, way) === undefined)
  const heads = ways.filter(
    (way) => way.asking === 'edit' || way.asking === 'retry' || way.asking === 'approve',
  )
  const others = ways.filter((way) => !heads.includes(way))
  return (
    <>
      <Head run={run} ways={heads} onChoose={open} />
      <div className="cols">
        <div className="stack c8">
          <StepGraph run={run} chosen={step?.name} />
          {step && now?.asking === 'edit' && <Edit key={step.name} run={run} step={step} onClose={close} />}
          {step && <Attempts run={run} step={step} />}
          {step && <StepData run={run} step={step} />}
        </div>
        <aside className="stack c4">
          <OtherWays ways={others} onChoose={open} />
          <FactsOfRun run={run} step={step} />
          <Acts run={run} />
        </aside>
      </div>
      {step && now && now.asking !== 'edit' && (
        <ActDialog asking={now.asking} run={run} step={step} onClose={close} />
      )}
    </>
  )
}

function Head({
  run,
  ways,
  onChoose,
}: {
  readonly run: RunDetail
  readonly ways: readonly Way[]
  readonly onChoose: (way: Way) => void
}) {
  const { flow, key, state, code, until, why } = run
  const primary =
    ways.find(({ asking }) => asking === 'approve') ?? ways.find(({ asking }) => asking === 'edit') ?? ways[0]
  const isUnknown = state === 'parked' && (code === 'call.unknown-outcome' || code === 'run.key-expired')
  return (
    <PageHead
      title={key === null ? flow : `${flow} for ${key}`}
      state={<State of={isUnknown ? 'unknown' : state} at={until} pill />}
      crumbs={
        <>
          {key === null ? (
            <Link to="/objects">Objects</Link>
          ) : (
            <Link to="/objects/$key" params={{ key }}>
              {key}
            </Link>
          )}
          <ChevronRight className="i" aria-hidden="true" />
          <span>{flow}</span>
        </>
      }
      needs="read"
      acts={ways.map((way) => (
        <ActButton
          key={way.asking}
          touches={way.touches}
          className={way === primary ? 'btn primary' : 'btn'}
          onClick={() => onChoose(way)}
        >
          <way.icon className="i" aria-hidden="true" />
          {way.name}
          <Key>{way.key.toUpperCase()}</Key>
        </ActButton>
      ))}
    >
      <span className="verdict" aria-live="polite">
        <b>
          <Words parts={capital(why)} />.
        </b>{' '}
        {stands(run)}
      </span>
    </PageHead>
  )
}

/** Begins with a capital, as a sentence does. */
function capital(parts: RunDetail['why']): RunDetail['why'] {
  const [first, ...rest] = parts
  if (first?.kind !== 'text') return parts
  return [{ ...first, text: `${first.text.charAt(0).toUpperCase()}${first.text.slice(1)}` }, ...rest]
}

/** What is done and stays done. */
function stands({ steps, state }: RunDetail): string {
  if (state === 'succeeded') return ''
  const done = steps.filter((step) => step.state === 'done').map(({ name }) => name)
  if (done.length === 0) return ''
  const [first = ''] = done
  const names = [`${first.charAt(0).toUpperCase()}${first.slice(1)}`, ...done.slice(1)].join(' and ')
  return `${names} ${done.length === 1 ? 'is' : 'are'} done and ${done.length === 1 ? 'stays' : 'stay'} done.`
}

function OtherWays({
  ways,
  onChoose,
}: {
  readonly ways: readonly Way[]
  readonly onChoose: (way: Way) => void
}) {
  if (ways.length === 0) return null
  return (
    <section className="card">
      <header>
        <h2>Other ways out</h2>
      </header>
      <div className="acts-list">
        {ways.map((way) => (
          <ActButton key={way.asking} touches={way.touches} onClick={() => onChoose(way)}>
            <way.icon className="i" aria-hidden="true" />
            <span className="run-way">
              <b>{way.name}</b>
              <span>{way.about}</span>
            </span>
            <Key>{way.key.toUpperCase()}</Key>
          </ActButton>
        ))}
      </div>
    </section>
  )
}

import { Link, useParams } from '@tanstack/react-router'
import { ChevronRight, Pause, Play, X } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { useSystemsOf } from '../../me.ts'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { count, counted, Progress } from '../../parts/measure.tsx'
import { Key, PageHead, useSearchValue } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { duration, Time } from '../../parts/time.tsx'
import { Words } from '../../parts/words.tsx'
import { useActs } from '../../shell/acts.ts'
import { Items } from './items.tsx'
import { Stages } from './stages.tsx'
import '../problem/problem.css'
import './bulk.css'

export type Bulk = Answer<'getBulkAct'>

const nouns = { retry: 'Retry', skip: 'Skip', compensate: 'Compensation' } as const

export function Page() {
  const { id }: { readonly id?: string } = useParams({ strict: false })
  const [outcome] = useSearchValue('outcome')
  const [after] = useSearchValue('after')
  const query = useAsk('bulk', 'getBulkAct', {
    id: Number(id),
    ...(outcome !== undefined && { outcome: outcome as 'left' }),
    ...(after !== undefined && { after: Number(after) }),
    order: outcome === 'left' ? 'log' : 'latest',
  })
  return <Asked query={query}>{(act) => <Shown act={act} />}</Asked>
}

function Shown({ act }: { readonly act: Bulk }) {
  const { id, verb, total, state, problem } = act
  const title = `${nouns[verb]} of ${counted(total, 'run')}`
  const pause = useAct('pauseBulkAct')
  const resume = useAct('resumeBulkAct')
  const cancel = useAct('cancelBulkAct')
  const start = useAct('startBulkAct')
  const isRunning = state === 'running'
  const mayResume = state === 'paused' || state === 'stopped'
  const mayCancel = isRunning || mayResume || state === 'planned'
  const touches = useTouched(act)
  useActs([
    isRunning && {
      ...{ name: `Pause the ${verb}`, key: 'p', icon: Pause, touches },
      run: () => pause.mutate({ id }),
    },
    mayResume && {
      ...{ name: `Resume the ${verb}`, key: 'p', icon: Play, touches },
      run: () => resume.mutate({ id }),
    },
    mayCancel && { name: 'Cancel the rest', icon: X, touches, run: () => cancel.mutate({ id }) },
  ])
  return (
    <>
      <PageHead
        title={title}
        touches={touches}
        state={<State kind="replay" of={state} pill />}
        crumbs={
          <>
            <Link to="/problems">Problems</Link>
            {problem && (
              <>
                <ChevronRight className="i" aria-hidden />
                <Link to={`/problems/${encodeURIComponent(problem.fingerprint)}`}>{problem.title}</Link>
              </>
            )}
            <ChevronRight className="i" aria-hidden />
            <span>{title}</span>
          </>
        }
        acts={
          <>
            {mayCancel && (
              <button type="button" className="btn" onClick={() => cancel.mutate({ id })}>
                <X className="i" aria-hidden />
                Cancel the rest
              </button>
            )}
            {state === 'planned' && (
              <button type="button" className="btn primary" onClick={() => start.mutate({ id })}>
                <Play className="i" aria-hidden />
                Start it
              </button>
            )}
            {isRunning && (
              <button type="button" className="btn primary" onClick={() => pause.mutate({ id })}>
                <Pause className="i" aria-hidden />
                Pause<Key>P</Key>
              </button>
            )}
            {mayResume && (
              <button type="button" className="btn primary" onClick={() => resume.mutate({ id })}>
                <Play className="i" aria-hidden />
                Resume<Key>P</Key>
              </button>
            )}
          </>
        }
      >
        <span className="verdict" aria-live="polite" role={state === 'stopped' ? 'alert' : undefined}>
          <Words parts={act.why} />
        </span>
      </PageHead>
      <div className="cols">
        <div className="stack c8">
          <HowFar act={act} />
          <Items act={act} />
        </div>
        <aside className="stack c4">
          <About act={act} />
        </aside>
      </div>
    </>
  )
}

/** The systems of its runs; of runs that stand at none, and of those that are undone, all systems of their flows. */
function useTouched({ verb, total, plan }: Bulk): readonly string[] {
  const systemsOf = useSystemsOf()
  const known = plan.systems.map(({ system }) => system)
  const isWhole = verb === 'compensate' || plan.systems.reduce((sum, { runs }) => sum + runs, 0) < total
  return isWhole ? [...known, ...systemsOf(({ flow }) => Object.hasOwn(plan.flows, flow))] : known
}

function HowFar({ act }: { readonly act: Bulk }) {
  const { total, counts, leftMs, createdAt, startedAt } = act
  const { succeeded, failed, moved, underWay } = counts
  const through = succeeded + failed + moved
  return (
    <section className="card">
      <div className="body stack">
        <Stages act={act} />
        <div>
          <div className="row spread">
            <b>
              {count(through)} of {count(total)}
            </b>
            {leftMs !== null && <span className="dim">about {duration(Math.max(1_000, leftMs))} left</span>}
          </div>
          <Progress total={total} done={succeeded + moved} failed={failed} running={underWay} label="Done" />
        </div>
      </div>
      <footer>
        <span>
          Selected <Time at={createdAt} clock />
          {startedAt && (
            <>
              , started <Time at={startedAt} clock />
            </>
          )}
          . What came later goes its own way.
        </span>
        <span className="grow" />
        <span>In the order they came in</span>
      </footer>
    </section>
  )
}

function About({ act }: { readonly act: Bulk }) {
  const { plan, createdBy, createdAt, reason, maxErrors, endedAt } = act
  return (
    <Card title="What it does">
      <div className="stack">
        <p className="dim">
          <Words parts={plan.tells} />
        </p>
        <Facts
          of={[
            ['By', createdBy],
            ['When', <Time key="when" at={createdAt} clock />],
            ...(endedAt === null ? [] : [['Ended', <Time key="ended" at={endedAt} clock />] as const]),
            ...(reason === null ? [] : [['Because', reason] as const]),
            [
              'Flows',
              Object.entries(plan.flows)
                .map(([flow, runs]) => `${flow} ${count(runs)}`)
                .join(', '),
            ],
            ['Stops', `when any of the first stage fails, later above ${Math.round(maxErrors * 100)} %`],
          ]}
        />
      </div>
    </Card>
  )
}

import { Link, useParams } from '@tanstack/react-router'
import { BellOff, ChevronRight, Eye, Play, Plug } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { useMayNot } from '../../me.ts'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { counted } from '../../parts/measure.tsx'
import { Key, PageHead, useSearchValue } from '../../parts/page.tsx'
import { mayRetry, ProblemState } from '../../parts/problem-state.tsx'
import { useTestCall } from '../../parts/system-acts.ts'
import { toast } from '../../parts/toast.tsx'
import { Words } from '../../parts/words.tsx'
import { useActs } from '../../shell/acts.ts'
import { Affected } from './affected.tsx'
import { BulkDialog } from './bulk-dialog.tsx'
import { Cause } from './cause.tsx'
import { History } from './history.tsx'
import { IgnoreDialog } from './ignore-dialog.tsx'
import { Keeper } from './keeper.tsx'
import { NextSteps } from './next-steps.tsx'
import './problem.css'

export type Problem = Answer<'getProblem'>

export function Page() {
  const { fingerprint = '' }: { readonly fingerprint?: string } = useParams({ strict: false })
  const query = useAsk('problems', 'getProblem', { fingerprint })
  return <Asked query={query}>{(problem) => <Shown problem={problem} />}</Asked>
}

/** Which dialog is open, in the address: `?act=retry`. */
function Shown({ problem }: { readonly problem: Problem }) {
  const { fingerprint, title, state, open } = problem
  const [act, setAct] = useSearchValue('act')
  const close = () => setAct(undefined)
  const change = useAct('changeProblem', {
    done: ({ owner }) =>
      toast({
        tone: 'ok',
        title: state === 'open' ? `Acknowledged: ${owner} looks after it` : 'It is open again',
      }),
  })
  const isRetried = mayRetry(problem)
  const isTested = fingerprint.startsWith('system:') && state !== 'resolved'
  const test = useTestCall()
  const call = () => test.mutate({ name: problem.system })
  const acknowledge = () => change.mutate({ fingerprint, state: 'acknowledged' })
  const reopen = () => change.mutate({ fingerprint, state: 'open' })
  const touches = [problem.system]
  const mayNot = useMayNot({ touches: act === 'compensate' ? [] : touches }) !== undefined
  useActs([
    state === 'open' && { name: 'Acknowledge this problem', key: 'a', icon: Eye, touches, run: acknowledge },
    isTested && {
      ...{ name: `Test the connection to ${problem.systemLabel}`, key: 't', icon: Plug },
      touches,
      run: call,
    },
    isRetried && {
      ...{ name: `Retry ${counted(open, 'run')}…`, key: 'r', icon: Play },
      touches,
      run: () => setAct('retry'),
    },
    isRetried && { name: `Skip ${counted(open, 'run')}…`, touches, run: () => setAct('skip') },
    isRetried && { name: `Compensate ${counted(open, 'run')}…`, run: () => setAct('compensate') },
    state !== 'resolved' && {
      name: 'Ignore this problem until…',
      key: 'i',
      icon: BellOff,
      touches,
      run: () => setAct('ignore'),
    },
    state === 'ignored' && { name: 'Open this problem again', touches, run: reopen },
  ])
  return (
    <>
      <PageHead
        title={title}
        touches={touches}
        state={<ProblemState of={problem} pill />}
        crumbs={
          <>
            <Link to="/problems">Problems</Link>
            <ChevronRight className="i" aria-hidden />
            <span>{title}</span>
          </>
        }
        acts={
          <>
            {state === 'ignored' && (
              <button type="button" className="btn" onClick={reopen}>
                Open it again
              </button>
            )}
            {state !== 'resolved' && state !== 'ignored' && (
              <button type="button" className="btn ghost" onClick={() => setAct('ignore')}>
                <BellOff className="i" aria-hidden />
                Ignore until…<Key>I</Key>
              </button>
            )}
            {isTested && (
              <button type="button" className="btn primary" disabled={test.isPending} onClick={call}>
                <Plug className="i" aria-hidden />
                {test.isPending ? 'Calling …' : 'Test connection'}
                <Key>T</Key>
              </button>
            )}
            {isRetried && (
              <button type="button" className="btn primary" onClick={() => setAct('retry')}>
                <Play className="i" aria-hidden />
                Retry {counted(open, 'run')}…<Key>R</Key>
              </button>
            )}
          </>
        }
      >
        <span className="verdict" aria-live="polite">
          <Words parts={problem.why} />
        </span>
      </PageHead>
      <div className="cols">
        <div className="stack c8">
          <Cause problem={problem} />
          <NextSteps problem={problem} mayRetry={isRetried} onAct={setAct} />
          <Affected problem={problem} />
        </div>
        <aside className="stack c4">
          <Keeper problem={problem} onAcknowledge={acknowledge} />
          <History problem={problem} />
        </aside>
      </div>
      {act === 'ignore' && !mayNot && <IgnoreDialog problem={problem} onClose={close} />}
      {(act === 'retry' || act === 'skip' || act === 'compensate') && isRetried && !mayNot && (
        <BulkDialog verb={act} problem={problem} onClose={close} />
      )}
    </>
  )
}

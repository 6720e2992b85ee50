import { Link } from '@tanstack/react-router'
import { useAsk } from '../../parts/ask.tsx'
import { Exchange } from '../../parts/exchange.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { Sign } from '../../parts/sign.tsx'
import { duration, Time } from '../../parts/time.tsx'
import type { Attempt, RunDetail, Step } from './run.ts'

/** What a step sent and what was answered, one attempt at a time. */
export function Attempts({ run, step }: { readonly run: RunDetail; readonly step: Step }) {
  const own = run.history.filter((attempt) => attempt.step === step.name)
  const [asked] = useSearchValue('attempt')
  const shown = own.findLast(({ number }) => String(number) === asked) ?? own.at(-1)
  const systems = useAsk('systems', 'listSystems')
  if (!shown)
    return (
      <section className="card">
        <header>
          <h2>{step.name}, what was sent</h2>
        </header>
        <p className="body dim">
          {step.attempts === 0
            ? 'Nothing was sent yet.'
            : `It succeeded at the ${step.attempts === 1 ? 'first' : `${step.attempts}th`} try. Of what succeeds only time and status are kept, unless the flow says otherwise.`}
        </p>
      </section>
    )
  const address = systems.data?.items.find(({ name }) => name === step.system)?.address ?? ''
  return (
    <section className="card run-attempt" aria-label={`${step.name}, attempt ${shown.number}`}>
      <header>
        <h2>
          {step.name}, attempt {shown.number} of {Math.max(step.attempts, shown.number)}
          {shown.kind !== 'send' && ` (${shown.kind})`}
        </h2>
        <span className="row wrap">
          <Outcome attempt={shown} isFinal={step.state === 'failed' && shown === own.at(-1)} />
          <span className="faint small">
            <Time at={shown.at} seconds /> · {duration(shown.ms)}
            {shown.worker !== null && (
              <span title={`worker ${shown.worker}`}> · worker {shown.worker.slice(-6)}</span>
            )}
          </span>
        </span>
      </header>
      <Exchange
        to={step.system ?? 'nobody'}
        address={address}
        request={shown.request}
        response={shown.response}
        message={shown.message}
      />
      {own.length > 1 && <Others own={own} shown={shown} />}
    </section>
  )
}

function Outcome({ attempt, isFinal }: { readonly attempt: Attempt; readonly isFinal: boolean }) {
  const isGood = attempt.outcome === 'succeeded'
  const tone = isGood ? 'ok' : isFinal ? 'park' : 'retry'
  const name =
    attempt.status !== null && attempt.status > 0 ? String(attempt.status) : (attempt.code ?? attempt.outcome)
  return (
    <span className="state" data-tone={tone}>
      <Sign name={isGood ? 'ok' : isFinal ? 'park' : 'retry'} />
      {isGood ? name : `${name}, ${isFinal ? 'final' : attempt.outcome}`}
    </span>
  )
}

function Others({ own, shown }: { readonly own: readonly Attempt[]; readonly shown: Attempt }) {
  return (
    <footer className="row wrap">
      <span className="faint">Attempts</span>
      {own.slice(-20).map((attempt) => (
        <Link
          key={`${attempt.number}-${attempt.kind}`}
          to="."
          search={(before: Record<string, unknown>) => ({ ...before, attempt: attempt.number })}
          className="btn s ghost"
          aria-current={attempt === shown ? 'true' : undefined}
          resetScroll={false}
        >
          {attempt.number}
          {attempt.kind !== 'send' && ` ${attempt.kind}`}
        </Link>
      ))}
    </footer>
  )
}

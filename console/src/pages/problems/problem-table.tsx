import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { ActLink } from '../../parts/act-button.tsx'
import { Bars } from '../../parts/bars.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { mayRetry, ProblemState, problemTone } from '../../parts/problem-state.tsx'
import { nameOf } from '../../parts/system-words.ts'
import { lengthOf, Time } from '../../parts/time.tsx'

type Problem = Answer<'listProblems'>['items'][number]

/** One row a cause: who has to act, what, how many, since when, and who looks after it. */
export function ProblemTable({
  items,
  isCurrent,
}: {
  readonly items: readonly Problem[]
  readonly isCurrent: (problem: Problem) => boolean
}) {
  return (
    <section className="card flush">
      <table className="table problems">
        <thead>
          <tr>
            <th>State</th>
            <th>Problem</th>
            <th className="num">Affected</th>
            <th>24 hours</th>
            <th>Since</th>
            <th>Last seen</th>
            <th>Owner</th>
            <th>
              <span className="sr">Next step</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((problem) => (
            <Row key={problem.fingerprint} problem={problem} current={isCurrent(problem)} />
          ))}
        </tbody>
      </table>
      <footer className="row keys-line">
        <Keys
          of={[['J', 'K'], ['Enter'], ['A'], ['R'], ['I']]}
          words={['move', 'open', 'acknowledge', 'retry', 'ignore until']}
        />
      </footer>
    </section>
  )
}

function Keys({
  of,
  words,
}: {
  readonly of: readonly (readonly string[])[]
  readonly words: readonly string[]
}) {
  return of.map((keys, index) => (
    <span key={words[index]} className="row">
      {keys.map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
      {words[index]}
    </span>
  ))
}

function Row({ problem, current }: { readonly problem: Problem; readonly current: boolean }) {
  const { fingerprint, title, system, systemLabel, code, since, lastSeen, owner, trend, state, backFrom } =
    problem
  const to = `/problems/${encodeURIComponent(fingerprint)}`
  return (
    <tr aria-selected={current}>
      <td className="of-state">
        <ProblemState of={problem} />
        {backFrom === 'resolved' && state !== 'resolved' && <span className="under">came back</span>}
      </td>
      <td className="of-title">
        <Link className="main-cell" to={to}>
          {title}
        </Link>
        <span className="under mono">
          {nameOf({ label: systemLabel })} · {code}
        </span>
      </td>
      <td className="num of-objects">
        <Affected problem={problem} />
      </td>
      <td className="of-trend">
        <Bars values={trend} tone={problemTone(problem)} />
        <span className="sr">{trendWords(trend)}</span>
      </td>
      <td>
        <Time at={since} />
      </td>
      <td>
        <Time at={lastSeen} />
      </td>
      <td className={owner === null ? 'faint nowrap' : 'dim nowrap'}>
        {owner ?? (state === 'resolved' ? 'not needed' : 'nobody yet')}
      </td>
      <td className="num of-act">
        {mayRetry(problem) && problem.parked > 0 && state !== 'ignored' && (
          <ActLink
            className={problem.needs === 'person' ? 'btn s primary' : 'btn s'}
            touches={[system]}
            to={to}
            search={{ act: 'retry' }}
          >
            Retry {counted(problem.open, 'run')}…
          </ActLink>
        )}
      </td>
    </tr>
  )
}

function Affected({ problem }: { readonly problem: Problem }) {
  const { objects, open, countedTo, pending, state, since, resolvedAt } = problem
  if (state === 'resolved')
    return (
      <span className="dim">by itself, {lengthOf(Date.parse(resolvedAt ?? since) - Date.parse(since))}</span>
    )
  const many = open >= countedTo ? `${count(objects)}+ objects` : counted(objects, 'object')
  const under = [
    ...(open > objects ? [counted(open, 'run')] : []),
    ...(pending > 0 ? [`${count(pending)} not reached`] : []),
  ]
  return (
    <>
      <b>{many}</b>
      {under.length > 0 && <span className="under">{under.join(', ')}</span>}
    </>
  )
}

/** Growing or not. */
function trendWords(trend: readonly number[]): string {
  const now = trend.at(-1) ?? 0
  const most = Math.max(...trend)
  return `${now} open now, ${most} at most in 24 hours`
}

import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { Breaker } from '../../parts/breaker.tsx'
import { Meter, count, counted } from '../../parts/measure.tsx'
import { lookOf, State } from '../../parts/state.tsx'
import type { System } from '../../parts/system-words.ts'
import {
  errorWords,
  faultOf,
  limitShare,
  limitWords,
  nameOf,
  waitingWords,
} from '../../parts/system-words.ts'
import { clock, duration, lengthOf, Time, useNow } from '../../parts/time.tsx'

type Now = Answer<'now'>

/** The bar with every system on it: the picture is the status. */
export function Bus({ now: { accepted, unread, systems } }: { readonly now: Now }) {
  return (
    <section className="bus" aria-label="Systems">
      <div className="bus-head">
        <span>
          <b>{rate(accepted.perMinute)}</b> accepted
          {accepted.newestAt && (
            <>
              , the newest <Time at={accepted.newestAt} />
            </>
          )}
          . {unreadWords(unread)}.
        </span>
        <span className="desk-only">Limits, p95 and errors: last 5 minutes</span>
      </div>
      <div className="feeders">
        <div className="bar" role="presentation" />
        {systems.map((system) => (
          <Feeder key={system.name} system={system} />
        ))}
      </div>
    </section>
  )
}

function rate(perMinute: number): string {
  if (perMinute === 0) return 'No events'
  return `${perMinute < 10 ? perMinute : count(Math.round(perMinute))} ${perMinute === 1 ? 'event' : 'events'} a minute`
}

function unreadWords({ pending, exact }: Now['unread']): string {
  if (pending === 0) return 'Nothing waits to be read'
  return `${exact ? '' : 'About '}${counted(pending, 'event')} ${pending === 1 ? 'waits' : 'wait'} to be read`
}

function Feeder({ system }: { readonly system: System }) {
  const { name, standing } = system
  const isWell = standing === 'connected'
  return (
    <Link
      to="/systems/$name"
      params={{ name }}
      className={isWell ? 'feeder well' : 'feeder'}
      data-tone={lookOf('system', standing).tone}
    >
      <Breaker standing={standing} />
      <div className="sys">
        <div className="name">
          <span className="ellipsis">{nameOf(system)}</span>
          <State kind="system" of={standing} />
        </div>
        <Brief system={system} />
        <dl>{isWell || standing === 'slowed' ? <Well system={system} /> : <Still system={system} />}</dl>
      </div>
    </Link>
  )
}

/** In one line, for a phone. */
function Brief({ system }: { readonly system: System }) {
  const { waiting, until } = system
  return (
    <span className="brief small">
      <b>
        {waitingWords(system) === 'none' ? 'Nothing' : waitingWords(system)}{' '}
        {waiting.count > 1 ? 'wait' : 'waits'}
      </b>
      {until && (
        <>
          , next try <Time at={until} clock />
        </>
      )}
    </span>
  )
}

function Well({ system }: { readonly system: System }) {
  const { recent, waiting } = system
  const now = useNow(15_000)
  const limit = limitWords(system, { short: true })
  return (
    <>
      <dt>Limit</dt>
      <dd>{limit}</dd>
      <dd className="wide">
        <Meter used={limitShare(system)} label={limit} />
      </dd>
      <dt>p95</dt>
      <dd>{recent.p95 === null ? 'no calls' : duration(recent.p95)}</dd>
      <dt>Errors</dt>
      <dd>{errorWords(system)}</dd>
      <dt>Waiting</dt>
      <dd>{waiting.oldestAt === null ? 'none' : lengthOf(now - Date.parse(waiting.oldestAt))}</dd>
    </>
  )
}

function Still({ system }: { readonly system: System }) {
  const { standing, changedAt, until, waiting } = system
  const now = useNow(15_000)
  return (
    <>
      <dt>Waiting</dt>
      <dd className={waiting.count > 0 && standing === 'cut-off' ? 'tone' : undefined}>
        {waitingWords(system)}
      </dd>
      <dd className="wide">
        <Meter used={0} label="It is not called" />
      </dd>
      <dt>Since</dt>
      <dd>
        {clock(changedAt)}, {lengthOf(now - Date.parse(changedAt))}
      </dd>
      <dt>{standing === 'maintenance' ? 'Until' : 'Next try'}</dt>
      <dd>{until === null ? standing === 'paused' ? 'when resumed' : 'now' : <Time at={until} seconds />}</dd>
      <dt>Answer</dt>
      <dd className="ellipsis">
        {standing === 'cut-off' || standing === 'trying' ? faultOf(system) : 'not called'}
      </dd>
    </>
  )
}

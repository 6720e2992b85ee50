import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Answer } from '../../api.ts'
import { Card, Facts } from '../../parts/card.tsx'
import { credentialKind } from '../../parts/credential-words.ts'
import { count, counted, Meter } from '../../parts/measure.tsx'
import { errorWords, limitShare, limitWords, waitingWords } from '../../parts/system-words.ts'
import { duration, lengthOf, Time, useNow } from '../../parts/time.tsx'

type Detail = Answer<'getSystem'>

/** Limit, latency, errors and what waits, now. */
export function Figures({ system }: { readonly system: Detail }) {
  const { recent, waiting } = system
  const now = useNow(15_000)
  const used = limitWords(system)
  return (
    <Card title="Now" aside={<span className="small faint">last 5 minutes</span>}>
      <div className="figures">
        <Figure name="Limit in use" value={used}>
          <Meter used={limitShare(system)} label={used} />
        </Figure>
        <Figure name="p95" value={recent.p95 === null ? 'no calls' : duration(recent.p95)}>
          half of the calls within {recent.p50 === null ? 'none' : duration(recent.p50)}
        </Figure>
        <Figure name="Errors" value={errorWords(system)}>
          {count(recent.failed)} of {counted(recent.calls, 'call')}
        </Figure>
        <Figure name="Waiting" value={waitingWords(system)}>
          {waiting.oldestAt === null
            ? 'nothing'
            : `the oldest for ${lengthOf(now - Date.parse(waiting.oldestAt))}`}
        </Figure>
      </div>
    </Card>
  )
}

function Figure({ name, value, children }: { name: string; value: string; children: ReactNode }) {
  return (
    <div className="figure">
      <span className="dim small">{name}</span>
      <b>{value}</b>
      <span className="faint small">{children}</span>
    </div>
  )
}

/** What the deployment declares. */
export function Rules({ system }: { readonly system: Detail }) {
  const { rules, address } = system
  if (rules === null)
    return (
      <Card title="Rules in force">
        <Facts of={[['Address', <span className="mono">{address}</span>]]} />
        <p className="faint small">The rules are shown once a worker of this version has started.</p>
      </Card>
    )
  const { rate, concurrency, timeoutMs, breaker, keyLifeMs } = rules
  return (
    <Card title="Rules in force">
      <Facts
        of={[
          ['Address', <span className="mono">{address}</span>],
          ['Rate', rate ? `${count(rate.max)} in ${duration(rate.perMs)}, all workers together` : 'no limit'],
          ['At once', `${count(concurrency)}, all workers together`],
          ['Gives up', `a call after ${duration(timeoutMs)}`],
          [
            'Cut off',
            `after ${breaker.consecutiveFailures} without an answer in a row, or when ${Math.round(breaker.failureRatio * 100)} % of at least ${breaker.minimumCalls} calls fail`,
          ],
          [
            'Tries again',
            `after ${duration(breaker.probeDelayMs)}, at most ${duration(breaker.maxProbeDelayMs)} apart`,
          ],
          ['Key life', keyLifeMs === 0 ? 'it knows no idempotency keys' : lengthOf(keyLifeMs)],
        ]}
      />
    </Card>
  )
}

/** Kind and age; never the credentials. */
export function Credentials({ system: { credentials } }: { readonly system: Detail }) {
  return (
    <Card title="Credentials">
      {credentials === null ? (
        <p className="faint small">Not known until a worker of this version has called it.</p>
      ) : credentials.kind === 'none' ? (
        <p className="faint small">It is called without credentials.</p>
      ) : (
        <Facts
          of={[
            ['Kind', credentialKind(credentials.kind)],
            [
              'Obtained',
              credentials.obtainedAt ? <Time at={credentials.obtainedAt} /> : 'with the deployment',
            ],
            ['End', credentials.expiresAt ? <Time at={credentials.expiresAt} /> : 'not known'],
          ]}
        />
      )}
    </Card>
  )
}

/** Flows that call it, and its problems. */
export function Uses({ system: { flows, problems } }: { readonly system: Detail }) {
  return (
    <Card title="Called by">
      <ul className="plain-list">
        {flows.map((flow) => (
          <li key={flow}>
            <Link to="/map" search={{ flow }} className="link">
              {flow}
            </Link>
          </li>
        ))}
        {flows.length === 0 && <li className="faint">no flow</li>}
      </ul>
      {problems.length > 0 && (
        <>
          <h3>Problems</h3>
          <ul className="plain-list">
            {problems.slice(0, 5).map(({ fingerprint, title }) => (
              <li key={fingerprint}>
                <Link to="/problems/$fingerprint" params={{ fingerprint }} className="link">
                  {title}
                </Link>
              </li>
            ))}
          </ul>
        </>
      )}
    </Card>
  )
}

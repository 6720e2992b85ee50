import { Link } from '@tanstack/react-router'
import { User } from 'lucide-react'
import { Card, Facts } from '../../parts/card.tsx'
import { Difference } from '../../parts/difference.tsx'
import { counted } from '../../parts/measure.tsx'
import { Payload } from '../../parts/payload.tsx'
import { Time } from '../../parts/time.tsx'
import { pathTo } from '../../parts/words.tsx'
import { runName, stepLook } from '../object/entries.ts'
import type { RunDetail, Step } from './run.ts'

/** What a step was given and what it gave. */
export function StepData({ run, step }: { readonly run: RunDetail; readonly step: Step }) {
  const hasResult = step.result !== null
  return (
    <section className="card" aria-label={`Data of ${step.name}`}>
      <header>
        <h2>{step.name}, data</h2>
        <span className="faint small">{stepLook(step.state).word}</span>
      </header>
      <div className={hasResult ? 'pair' : undefined}>
        <div>
          <h3 className="run-head">
            {step.input === null ? 'Its input: the event' : 'Its input, edited by a person'}
          </h3>
          {step.input === null ? (
            <Payload value={run.event.data} />
          ) : (
            <Difference before={run.event.data} after={step.input} />
          )}
        </div>
        {hasResult && (
          <div>
            <h3 className="run-head">What it gave</h3>
            <Payload value={step.result} />
          </div>
        )}
      </div>
    </section>
  )
}

/** Names and numbers of the run. */
export function FactsOfRun({ run, step }: { readonly run: RunDetail; readonly step: Step | undefined }) {
  const { event, lane, problem, firstAt } = run
  const traceId = step?.traceId ?? run.traceId
  return (
    <Card title="Facts">
      <Facts
        of={[
          [
            'Run',
            <span key="run" className="mono">
              {runName(run)}
            </span>,
          ],
          [
            'Event',
            <span key="event">
              <Link to={pathTo('event', String(event.seq))} className="link">
                {event.type}
              </Link>{' '}
              <span className="faint mono">seq {event.seq}</span>
            </span>,
          ],
          ...(firstAt === null
            ? []
            : [
                [
                  'Started',
                  <span key="first">
                    <Time at={firstAt} clock />, <Time at={firstAt} />
                  </span>,
                ] as const,
              ]),
          ['Lane', lane ? `${lane.group} / ${lane.key}` : run.group],
          ...(lane && lane.before > 0 ? [['Before it', counted(lane.before, 'run')] as const] : []),
          ...(lane && lane.behind > 0
            ? [
                [
                  'Behind it',
                  run.key === null ? (
                    counted(lane.behind, 'run')
                  ) : (
                    <Link key="behind" to="/objects/$key" params={{ key: run.key }} className="link">
                      {counted(lane.behind, 'run')}
                    </Link>
                  ),
                ] as const,
              ]
            : []),
          ...(step && step.idempotencyKey !== null
            ? [
                [
                  'Key sent',
                  <span key="key" className="mono" title={step.idempotencyKey}>
                    {step.idempotencyKey}
                  </span>,
                ] as const,
              ]
            : []),
          ...(traceId === null
            ? []
            : [
                [
                  'Trace',
                  <span key="trace" className="mono">
                    {traceId}
                  </span>,
                ] as const,
              ]),
          ...(step?.ids ?? []).map(
            ({ kind, external }) =>
              [
                `Id of the ${kind}`,
                <span key={external} className="mono">
                  {external}
                </span>,
              ] as const,
          ),
          ...(problem === null
            ? []
            : [
                [
                  'Problem',
                  <Link key="problem" to={pathTo('problem', problem)} className="link">
                    {run.message ?? run.code ?? problem}
                  </Link>,
                ] as const,
              ]),
        ]}
      />
    </Card>
  )
}

/** Who did what to the run. */
export function Acts({ run }: { readonly run: RunDetail }) {
  return (
    <Card title="Acts">
      {run.audit.length === 0 ? (
        <p className="dim">Nobody has done anything to this run.</p>
      ) : (
        <ul className="run-acts">
          {run.audit.toReversed().map(({ id, at, actor, verb, object, reason }) => (
            <li key={id}>
              <span className="avatar">
                <User className="i" aria-hidden="true" />
              </span>
              <span>
                <b>{actor}</b>{' '}
                <span className="faint small">
                  <Time at={at} clock />
                </span>
                <br />
                <span className="dim">
                  {verb} {object.replace(/ of run .*$/, '').replace(/^run .*$/, 'the run')}
                  {reason !== null && <>: “{reason}”</>}
                </span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

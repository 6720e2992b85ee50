import { Link } from '@tanstack/react-router'
import { Card } from '../../parts/card.tsx'
import { Payload } from '../../parts/payload.tsx'
import { nameOf } from '../../parts/system-words.ts'
import { duration, Time } from '../../parts/time.tsx'
import type { Problem } from './index.tsx'

/** The cause: in general, and exactly as one of its runs met it. */
export function Cause({ problem }: { readonly problem: Problem }) {
  const { system, systemLabel, code, title, example } = problem
  return (
    <Card title="Cause" aside={<span className="faint small mono">{code}</span>}>
      <div className="stack">
        <p className="cause">
          <b>
            <Link className="link" to={`/systems/${encodeURIComponent(system)}`}>
              {nameOf({ label: systemLabel })}
            </Link>
            :
          </b>{' '}
          {example?.message ?? title}
        </p>
        {example && <Example example={example} />}
      </div>
    </Card>
  )
}

function Example({ example }: { readonly example: NonNullable<Problem['example']> }) {
  const { flow, seq, generation, key, step, attemptAt, ms, request, response } = example
  const run = generation === 0 ? `${flow}/${seq}` : `${flow}/${seq}/${generation}`
  return (
    <>
      <p className="dim">
        For example{' '}
        <Link className="link" to={`/runs/${run}`}>
          {key ?? run}
        </Link>
        {step !== null && <>, step {step}</>}
        {attemptAt !== null && (
          <>
            , tried last <Time at={attemptAt} />
            {ms !== null && <> for {duration(ms)}</>}
          </>
        )}
        .
      </p>
      {response !== null && <Said title="What it answered" text={response} />}
      {request !== null && <Said title="What was sent" text={request} folded={response !== null} />}
    </>
  )
}

function Said({
  title,
  text,
  folded = false,
}: {
  readonly title: string
  readonly text: string
  readonly folded?: boolean
}) {
  return (
    <details open={!folded}>
      <summary className="dim">{title}</summary>
      <Payload value={text} />
    </details>
  )
}

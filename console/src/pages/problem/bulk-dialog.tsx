import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import type { Answer } from '../../api.ts'
import { useAct } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { lengthOf } from '../../parts/time.tsx'
import { Words } from '../../parts/words.tsx'
import type { Problem } from './index.tsx'

type Verb = 'retry' | 'skip' | 'compensate'
type Plan = Answer<'planBulkAct'>

const ramps = {
  careful: { words: '1, 10, 100, then the rest', stages: [1, 10, 100] },
  brisk: { words: '10, then the rest', stages: [10] },
  once: { words: 'all at once', stages: [] },
} as const
type RampName = keyof typeof ramps

const verbs: Readonly<Record<Verb, string>> = { retry: 'Retry', skip: 'Skip', compensate: 'Compensate' }
const keeps: Readonly<Record<Verb, string>> = {
  retry: 'Leave them as they are',
  skip: 'Keep them parked',
  compensate: 'Keep what is done',
}

/** Plans an act on all open runs of a problem, shows what is sent and what not, and starts it in stages. */
export function BulkDialog({
  verb,
  problem,
  onClose,
}: {
  readonly verb: Verb
  readonly problem: Problem
  readonly onClose: () => void
}) {
  const navigate = useNavigate()
  const [ramp, setRamp] = useState<RampName>('careful')
  const [reason, setReason] = useState('')
  const [plan, setPlan] = useState<Plan>()
  const planning = useAct('planBulkAct', { done: setPlan })
  const start = useAct('startBulkAct', { done: ({ id }) => void navigate({ to: `/bulk/${id}` }) })
  const { mutate } = planning
  const { fingerprint } = problem
  const say = () =>
    mutate({
      verb,
      problem: fingerprint,
      ramp: [...ramps[ramp].stages],
      ...(reason.trim() !== '' && { reason: reason.trim() }),
    })
  // A retry needs no reason, so that its plan is there at once; the others are planned when the reason is given.
  useEffect(() => {
    if (verb === 'retry') mutate({ verb, problem: fingerprint, ramp: [...ramps[ramp].stages] })
  }, [verb, fingerprint, ramp, mutate])
  const lacksReason = verb !== 'retry' && reason.trim() === ''
  const isPlanned = plan !== undefined && !planning.isPending
  const submit = () => {
    if (lacksReason) return
    if (!isPlanned) say()
    else start.mutate({ id: plan.id, ...(reason.trim() !== '' && { reason: reason.trim() }) })
  }
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`${verbs[verb]} ${counted(plan?.total ?? problem.open, 'run')}?`}
      onSubmit={submit}
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            {keeps[verb]}
          </button>
          <button
            type="submit"
            className="btn primary"
            disabled={lacksReason || planning.isPending || start.isPending}
          >
            {isPlanned ? startWords(verb, plan) : 'See what happens'}
          </button>
        </>
      }
    >
      {plan && <PlanShown plan={plan} />}
      {!plan && planning.isPending && (
        <p className="dim" role="status">
          Counting …
        </p>
      )}
      <label className="field">
        <span>How carefully</span>
        <select
          className="input"
          value={ramp}
          onChange={({ target }) => {
            setRamp(target.value as RampName)
            if (verb !== 'retry') setPlan(undefined)
          }}
        >
          {Object.entries(ramps).map(([name, { words }]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
        <small>Each stage begins when the one before is through and has not failed.</small>
      </label>
      <label className="field">
        <span>{verb === 'retry' ? 'What was mended (for the others, if you like)' : 'Why'}</span>
        <input
          className="input"
          value={reason}
          maxLength={500}
          required={verb !== 'retry'}
          onChange={({ target }) => {
            setReason(target.value)
            if (verb !== 'retry') setPlan(undefined)
          }}
        />
      </label>
    </Dialog>
  )
}

function startWords(verb: Verb, { stages, total }: Plan): string {
  const first = stages[0]?.size ?? total
  return first === total
    ? `${verbs[verb]} ${counted(total, 'run')}`
    : `${verbs[verb]} the first ${first === 1 ? 'one' : count(first)} now`
}

function PlanShown({ plan: { plan, stages } }: { readonly plan: Plan }) {
  const limited = plan.systems.filter(({ perMinute }) => perMinute !== null)
  return (
    <div className="stack">
      <p>
        <Words parts={plan.tells} />
      </p>
      <ol className="ramp plan">
        {stages.map(({ size, maxFailed }, index) => (
          <li key={index}>
            <span className="big">{count(size)}</span>
            <span className="t dim">
              {index === 0 && plan.first !== null && size === 1
                ? plan.first
                : `stops at ${count(maxFailed + 1)} failed`}
            </span>
          </li>
        ))}
      </ol>
      <p className="dim">
        {plan.durationMs !== null && <>Takes about {lengthOf(Math.max(1_000, plan.durationMs))}. </>}
        {limited.map(
          ({ system, perMinute }) => `${system} allows ${count(perMinute ?? 0)} requests a minute. `,
        )}
        What comes meanwhile is not part of it, and goes its own way.
      </p>
    </div>
  )
}

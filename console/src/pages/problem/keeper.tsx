import { useState } from 'react'
import { ActButton } from '../../parts/act-button.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { useAct } from '../../parts/ask.tsx'
import { count } from '../../parts/measure.tsx'
import { Key } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { lengthOf, Time } from '../../parts/time.tsx'
import type { Problem } from './index.tsx'

/** Who looks after it, since when it is there, and where it is written what to do. */
export function Keeper({
  problem,
  onAcknowledge,
}: {
  readonly problem: Problem
  readonly onAcknowledge: () => void
}) {
  const [editing, setEditing] = useState(false)
  const { state, owner, since, lastSeen, flows, runbook, note, behind, resolvedAt } = problem
  return (
    <>
      <Card
        title="Who looks after it"
        aside={
          state === 'open' ? (
            <ActButton className="btn s" touches={[problem.system]} onClick={onAcknowledge}>
              Acknowledge<Key>A</Key>
            </ActButton>
          ) : (
            <State kind="problem" of={state} />
          )
        }
        footer={
          <ActButton className="btn s ghost" touches={[problem.system]} onClick={() => setEditing(true)}>
            Change owner, note or runbook…
          </ActButton>
        }
      >
        <Facts
          of={[
            ['Owner', owner ?? <span className="faint">nobody yet</span>],
            ['Since', <TimeBoth key="since" at={since} />],
            resolvedAt === null
              ? ['Last seen', <TimeBoth key="last" at={lastSeen} />]
              : ['Over since', <TimeBoth key="over" at={resolvedAt} />],
            ['Flows', <Flows key="flows" flows={flows} behind={behind} />],
            ['Seen before', seenBefore(problem)],
            ['Runbook', <Runbook key="runbook" url={runbook} />],
            ...(note === null ? [] : [['Note', note] as const]),
          ]}
        />
      </Card>
      {editing && <EditDialog problem={problem} onClose={() => setEditing(false)} />}
    </>
  )
}

function TimeBoth({ at }: { readonly at: string }) {
  return (
    <>
      <Time at={at} clock />, <Time at={at} />
    </>
  )
}

function Flows({ flows, behind }: Pick<Problem, 'flows' | 'behind'>) {
  if (flows.length === 0) return <span className="faint">none now</span>
  return (
    <>
      {flows.map(({ flow, runs }, index) => (
        <span key={flow}>
          {index > 0 && ', '}
          {flow} <span className="faint">{count(runs)}</span>
        </span>
      ))}
      {behind > 0 && <span className="faint">, {count(behind)} behind</span>}
    </>
  )
}

function seenBefore({ times, earlier }: Problem): string {
  if (times <= 1) return 'never'
  const longest = Math.max(0, ...earlier.map(({ since, until }) => Date.parse(until) - Date.parse(since)))
  const often = times === 2 ? 'once' : `${times - 1} times`
  return longest > 0 ? `${often}, longest ${lengthOf(longest)}` : often
}

function Runbook({ url }: { readonly url: string | null }) {
  if (url === null) return <span className="faint">none yet</span>
  return (
    <a className="link" href={url} target="_blank" rel="noreferrer noopener">
      {url.replace(/^https?:\/\//, '')}
    </a>
  )
}

function EditDialog({ problem, onClose }: { readonly problem: Problem; readonly onClose: () => void }) {
  const [owner, setOwner] = useState(problem.owner ?? '')
  const [note, setNote] = useState(problem.note ?? '')
  const [runbook, setRunbook] = useState(problem.runbook ?? '')
  const change = useAct('changeProblem', { done: onClose })
  const orNull = (text: string) => (text.trim() === '' ? null : text.trim())
  return (
    <Dialog
      open
      onClose={onClose}
      title="Owner, note and runbook"
      onSubmit={() =>
        change.mutate({
          fingerprint: problem.fingerprint,
          owner: orNull(owner),
          note: orNull(note),
          runbook: orNull(runbook),
        })
      }
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Leave it as it is
          </button>
          <button type="submit" className="btn primary" disabled={change.isPending}>
            Save owner, note and runbook
          </button>
        </>
      }
    >
      <label className="field">
        <span>Owner</span>
        <input
          className="input"
          value={owner}
          maxLength={80}
          onChange={({ target }) => setOwner(target.value)}
        />
      </label>
      <label className="field">
        <span>Note</span>
        <textarea
          className="input tall"
          value={note}
          maxLength={2_000}
          onChange={({ target }) => setNote(target.value)}
        />
      </label>
      <label className="field">
        <span>Runbook</span>
        <input
          className="input"
          type="url"
          value={runbook}
          maxLength={500}
          placeholder="https://"
          onChange={({ target }) => setRunbook(target.value)}
        />
        <small>Where it is written what to do about this cause. It stays when the problem comes back.</small>
      </label>
    </Dialog>
  )
}

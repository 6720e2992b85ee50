import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { useAct } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { clock } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'

type Problem = Pick<Answer<'getProblem'>, 'fingerprint' | 'title'>

const spans = [
  ['1 hour', 3_600_000],
  ['4 hours', 4 * 3_600_000],
  ['1 day', 24 * 3_600_000],
  ['1 week', 7 * 24 * 3_600_000],
] as const

/** Asks until when a problem is ignored; then it is back by itself. */
export function IgnoreDialog({
  problem,
  onClose,
}: {
  readonly problem: Problem
  readonly onClose: () => void
}) {
  const [until, setUntil] = useState(() => local(Date.now() + 4 * 3_600_000))
  const [note, setNote] = useState('')
  const change = useAct('changeProblem', {
    done: ({ ignoredUntil }) => {
      toast({
        tone: 'ok',
        title: `Ignored until ${clock(ignoredUntil ?? '')}`,
        text: 'Then it is back by itself.',
      })
      onClose()
    },
  })
  const at = Date.parse(until)
  const isPast = Number.isNaN(at) || at <= Date.now()
  return (
    <Dialog
      open
      onClose={onClose}
      title="Ignore until when?"
      onSubmit={() => {
        if (isPast) return
        change.mutate({
          fingerprint: problem.fingerprint,
          state: 'ignored',
          ignoredUntil: new Date(at).toISOString(),
          ...(note.trim() !== '' && { note: note.trim() }),
        })
      }}
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Keep it in sight
          </button>
          <button type="submit" className="btn primary" disabled={isPast || change.isPending}>
            Ignore until then
          </button>
        </>
      }
    >
      <p>
        <b>{problem.title}</b>
      </p>
      <p className="dim">
        It raises no alert and stands under Ignored. Its runs go on as they are: nothing is retried or skipped
        by this.
      </p>
      <div className="row wrap">
        {spans.map(([words, ms]) => (
          <button
            key={words}
            type="button"
            className="btn s"
            onClick={() => setUntil(local(Date.now() + ms))}
          >
            {words}
          </button>
        ))}
      </div>
      <label className="field">
        <span>Until</span>
        <input
          className="input"
          type="datetime-local"
          value={until}
          onChange={({ target }) => setUntil(target.value)}
          required
        />
        {isPast && <small className="bad">That is over already.</small>}
      </label>
      <label className="field">
        <span>Why (a note for the others)</span>
        <input
          className="input"
          value={note}
          onChange={({ target }) => setNote(target.value)}
          maxLength={2_000}
        />
      </label>
    </Dialog>
  )
}

/** As the field wants it: local time without a zone. */
function local(ms: number): string {
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return date.toISOString().slice(0, 16)
}

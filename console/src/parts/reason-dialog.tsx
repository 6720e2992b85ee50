import type { ReactNode } from 'react'
import { useState } from 'react'
import { Dialog } from './dialog.tsx'

interface ReasonDialogProps {
  /** A question: "Pause lane group book-sale?" */
  readonly title: string
  /** What will happen, and what will not. */
  readonly children: ReactNode
  /** The verb with its object: "Pause book-sale". */
  readonly act: string
  /** What stays when nothing is done: "Let it run". */
  readonly keep: string
  readonly danger?: boolean
  /** Whether a reason must be given; it stands in the audit trail. */
  readonly needed?: boolean
  readonly wide?: boolean
  readonly busy?: boolean
  readonly onClose: () => void
  readonly onAct: (reason: string | undefined) => void
}

/** Asks for a reason before an act; there while it is open. */
export function ReasonDialog(props: ReasonDialogProps) {
  const { title, children, act, keep, danger = false, needed = true, wide = false, busy = false } = props
  const [reason, setReason] = useState('')
  const [missing, setMissing] = useState(false)
  const given = reason.trim()
  const submit = () => {
    if (needed && given === '') return setMissing(true)
    if (!busy) props.onAct(given === '' ? undefined : given)
  }
  return (
    <Dialog
      open
      wide={wide}
      onClose={props.onClose}
      onSubmit={submit}
      title={title}
      footer={
        <>
          <button type="button" className="btn" onClick={props.onClose}>
            {keep} <kbd aria-hidden="true">Esc</kbd>
          </button>
          <button type="submit" className={danger ? 'btn danger' : 'btn primary'} disabled={busy}>
            {act} <kbd aria-hidden="true">Ctrl Enter</kbd>
          </button>
        </>
      }
    >
      {children}
      <label className="field" data-bad={missing && given === '' ? '' : undefined}>
        <span>{needed ? 'Reason' : 'Reason, if there is something to say'}</span>
        <input
          className="input"
          value={reason}
          maxLength={500}
          autoFocus
          onChange={(event) => setReason(event.target.value)}
        />
        {missing && given === '' ? (
          <span className="bad" role="alert">
            Say why: it stays in the audit trail.
          </span>
        ) : (
          <small>Stays in the audit trail.</small>
        )}
      </label>
    </Dialog>
  )
}

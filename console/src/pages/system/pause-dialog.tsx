import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { useAct } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { nameOf } from '../../parts/system-words.ts'
import { toast } from '../../parts/toast.tsx'

interface Props {
  readonly system: Answer<'getSystem'>
  readonly open: boolean
  readonly onClose: () => void
}

/** Asks why, and says beforehand what a pause does. */
export function PauseDialog({ system, open, onClose }: Props) {
  const [reason, setReason] = useState('')
  const name = nameOf(system)
  const pause = useAct('pauseSystem', {
    done: () => {
      toast({ tone: 'ok', title: `${name} is paused` })
      onClose()
    },
  })
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={`Pause ${name}?`}
      onSubmit={() => pause.mutate({ name: system.name, ...(reason.trim() && { reason: reason.trim() }) })}
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Keep calling it
          </button>
          <button type="submit" className="btn primary" disabled={pause.isPending}>
            Pause {name}
          </button>
        </>
      }
    >
      <p>
        It is not called any more until somebody resumes it. What needs it waits in order and uses up no
        attempts; everything else goes on. Calls that are under way end as usual.
      </p>
      <label className="field">
        <span>Reason, kept in the audit</span>
        <input
          className="input"
          value={reason}
          maxLength={500}
          onChange={({ target }) => setReason(target.value)}
          placeholder="Year end closing"
        />
      </label>
    </Dialog>
  )
}

import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { useAct } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { nameOf } from '../../parts/system-words.ts'
import { clock, Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'

type Detail = Answer<'getSystem'>

/** When it is not called on purpose: windows that people set, and those of every week. */
export function Maintenance({ system }: { readonly system: Detail }) {
  const [asks, ask] = useState(false)
  const end = useAct('endMaintenance', { done: () => toast({ tone: 'ok', title: 'The window is over' }) })
  const weekly = system.rules?.maintenance ?? []
  return (
    <Card
      title="Maintenance"
      aside={
        <ActButton className="btn s" touches={[system.name]} onClick={() => ask(true)}>
          Add a window…
        </ActButton>
      }
    >
      {system.maintenance.length === 0 && weekly.length === 0 && (
        <p className="faint small">None. In a window the system is not called, and what needs it waits.</p>
      )}
      <ul className="plain-list">
        {system.maintenance.map(({ id, from, until, note, by }) => (
          <li key={id} className="use wrap">
            <span>
              <b>
                <Time at={from} clock /> to <Time at={until} clock />
              </b>
              <span className="faint small block">
                {note ?? 'no note'}, set by {by}
              </span>
            </span>
            <ActButton
              className="btn s"
              touches={[system.name]}
              disabled={end.isPending}
              onClick={() => end.mutate({ name: system.name, window: id })}
            >
              {Date.parse(from) > Date.now() ? 'Take it back' : 'End it now'}
            </ActButton>
          </li>
        ))}
        {weekly.map((window) => (
          <li key={weekWords(window)}>
            <b>{weekWords(window)}</b>
            <span className="faint small block">every week, {window.timeZone}, calls wait</span>
          </li>
        ))}
      </ul>
      {asks && <WindowDialog system={system} onClose={() => ask(false)} />}
    </Card>
  )
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
type Weekly = NonNullable<Detail['rules']>['maintenance'][number]

function weekWords({ days: on, fromMinute, toMinute }: Weekly): string {
  const time = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  const names = on.length === 7 ? 'Daily' : on.map((day) => days[day]).join(', ')
  return `${names} ${time(fromMinute)} to ${time(toMinute)}`
}

const lengths = [
  { minutes: 30, words: '30 minutes' },
  { minutes: 60, words: '1 hour' },
  { minutes: 120, words: '2 hours' },
  { minutes: 240, words: '4 hours' },
  { minutes: 480, words: '8 hours' },
  { minutes: 1_440, words: '1 day' },
]

function WindowDialog({ system, onClose }: { readonly system: Detail; readonly onClose: () => void }) {
  const [from, setFrom] = useState('')
  const [minutes, setMinutes] = useState(60)
  const [note, setNote] = useState('')
  const begins = from === '' ? Date.now() : new Date(from).getTime()
  const until = new Date(begins + minutes * 60_000).toISOString()
  const set = useAct('setMaintenance', {
    done: () => {
      toast({ tone: 'ok', title: `Maintenance of ${nameOf(system)} until ${clock(until)}` })
      onClose()
    },
  })
  const submit = () =>
    set.mutate({
      name: system.name,
      until,
      ...(from !== '' && { from: new Date(begins).toISOString() }),
      ...(note.trim() && { note: note.trim() }),
    })
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Do not call ${nameOf(system)} for a time?`}
      onSubmit={submit}
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Keep calling it
          </button>
          <button type="submit" className="btn primary" disabled={set.isPending}>
            Set the window
          </button>
        </>
      }
    >
      <p>
        Until {clock(until)} what needs it waits in order and uses up no attempts; then it goes on by itself.
        Everything else goes on.
      </p>
      <label className="field">
        <span>Begins (now, unless you say when)</span>
        <input
          className="input"
          type="datetime-local"
          value={from}
          onChange={({ target }) => setFrom(target.value)}
        />
      </label>
      <label className="field">
        <span>Lasts</span>
        <select className="input" value={minutes} onChange={({ target }) => setMinutes(Number(target.value))}>
          {lengths.map((length) => (
            <option key={length.minutes} value={length.minutes}>
              {length.words}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Note, kept in the audit</span>
        <input
          className="input"
          value={note}
          maxLength={500}
          onChange={({ target }) => setNote(target.value)}
        />
      </label>
    </Dialog>
  )
}

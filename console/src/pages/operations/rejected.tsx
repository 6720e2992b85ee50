import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Card, Facts } from '../../parts/card.tsx'
import { Difference } from '../../parts/difference.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { Payload } from '../../parts/payload.tsx'
import { ReasonDialog } from '../../parts/reason-dialog.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'

type Row = Answer<'getRejected'>

/** One row that was set aside: why, with all of its data, and what can be done. */
export function Rejected({ id }: { readonly id: number }) {
  const query = useAsk('outbox', 'getRejected', { id })
  const [, choose] = useSearchValue('row')
  return <Asked query={query}>{(row) => <Shown row={row} onEnd={() => choose(undefined)} />}</Asked>
}

function Shown({ row, onEnd }: { readonly row: Row; readonly onEnd: () => void }) {
  const [asked, setAsked] = useState<'mend' | 'retry' | 'discard'>()
  const { key, type, source, eventId, code, message, publishedAt, problem, data } = row
  return (
    <Card
      title={key ?? `Row ${row.id}`}
      aside={
        <button type="button" className="btn s ghost" onClick={onEnd}>
          Close
        </button>
      }
      flush
    >
      <div className="body stack">
        <p>{message}</p>
        <Facts
          of={[
            ['Type', type],
            ['Identity', `${source} / ${eventId}`],
            ['Published', <Time key="at" at={publishedAt} />],
            ['Code', code],
            [
              'Problem',
              <Link key="problem" className="link" to={`/problems/${encodeURIComponent(problem)}`}>
                Open it
              </Link>,
            ],
          ]}
        />
        <div className="row wrap">
          <ActButton className="btn primary" onClick={() => setAsked('mend')}>
            Mend and retry…
          </ActButton>
          <ActButton className="btn" onClick={() => setAsked('retry')}>
            Retry as it is…
          </ActButton>
          <ActButton className="btn" onClick={() => setAsked('discard')}>
            Discard…
          </ActButton>
        </div>
      </div>
      <Payload value={pretty(data)} />
      {asked === 'mend' && <Mend row={row} onClose={() => setAsked(undefined)} onDone={onEnd} />}
      {asked === 'retry' && <Retry row={row} onClose={() => setAsked(undefined)} onDone={onEnd} />}
      {asked === 'discard' && <Discard row={row} onClose={() => setAsked(undefined)} onDone={onEnd} />}
    </Card>
  )
}

/** JSON text with lines; every digit stays, since only the space between is changed by the reader's eye. */
function pretty(text: string): string {
  const value = read(text)
  return value === undefined || losesDigits(text) ? text : JSON.stringify(value, null, 2)
}

function read(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Whether a number in it would not survive being read and written. */
function losesDigits(text: string): boolean {
  return JSON.stringify(read(text))?.replaceAll(/\s/g, '') !== text.replaceAll(/\s/g, '')
}

interface DialogProps {
  readonly row: Row
  readonly onClose: () => void
  readonly onDone: () => void
}

function useDone({ row, onClose, onDone }: DialogProps, said: string) {
  return () => {
    toast({ tone: 'ok', title: `${row.key ?? `Row ${row.id}`} ${said}` })
    onClose()
    onDone()
  }
}

function Mend(props: DialogProps) {
  const { row, onClose } = props
  const before = pretty(row.data)
  const [data, setData] = useState(before)
  const { mutate, isPending } = useAct('retryRejected', { done: useDone(props, 'is judged again, mended') })
  const isJson = read(data) !== undefined
  return (
    <ReasonDialog
      wide
      title={`Mend ${row.key ?? `row ${row.id}`}, and retry it?`}
      act="Retry with these data"
      keep="Leave it"
      needed={false}
      busy={isPending || !isJson || data === before}
      onClose={onClose}
      onAct={(reason) => mutate({ id: row.id, data, ...(reason !== undefined && { reason }) })}
    >
      <p className="dim">
        The row goes back into the outbox with these data, and is judged again within a second.
      </p>
      <label className="field" data-bad={isJson ? undefined : ''}>
        <span>Data</span>
        <textarea
          className="input mono tall"
          spellCheck={false}
          value={data}
          onChange={(event) => setData(event.target.value)}
        />
        {!isJson && (
          <span className="bad" role="alert">
            This is not JSON yet.
          </span>
        )}
      </label>
      {isJson && data !== before && (
        <div className="compared">
          <h3>What changes</h3>
          <Difference before={read(before)} after={read(data)} />
        </div>
      )}
    </ReasonDialog>
  )
}

function Retry(props: DialogProps) {
  const { row, onClose } = props
  const { mutate, isPending } = useAct('retryRejected', { done: useDone(props, 'is judged again') })
  return (
    <ReasonDialog
      title={`Retry ${row.key ?? `row ${row.id}`} as it is?`}
      act="Retry it"
      keep="Leave it"
      needed={false}
      busy={isPending}
      onClose={onClose}
      onAct={(reason) => mutate({ id: row.id, ...(reason !== undefined && { reason }) })}
    >
      <p className="dim">
        It goes back into the outbox. Where nothing was changed in the contract, it is set aside anew.
      </p>
    </ReasonDialog>
  )
}

function Discard(props: DialogProps) {
  const { row, onClose } = props
  const { mutate, isPending } = useAct('discardRejected', { done: useDone(props, 'is discarded') })
  return (
    <ReasonDialog
      danger
      title={`Discard ${row.key ?? `row ${row.id}`} for good?`}
      act="Discard it"
      keep="Keep it"
      busy={isPending}
      onClose={onClose}
      onAct={(reason = '') => mutate({ id: row.id, reason })}
    >
      <p className="dim">
        It never becomes an event, and no flow hears of it. Its data stay in the audit trail.
      </p>
    </ReasonDialog>
  )
}

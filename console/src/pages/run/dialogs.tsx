import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { parseExactly } from '../../../../src/control/exact-json.ts'
import { call } from '../../api.ts'
import { useAct } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Key } from '../../parts/page.tsx'
import { toast } from '../../parts/toast.tsx'
import { Happens, Shown } from './edit.tsx'
import type { RunDetail, Step } from './run.ts'

/** An act that asks before it acts. */
export type Asking = 'retry' | 'result' | 'skip' | 'skip-run' | 'compensate' | 'approve' | 'refuse'

interface DialogProps {
  readonly run: RunDetail
  readonly step: Step
  readonly onClose: () => void
}

/** The dialog of an act; each says what it will do and what it will not. */
export function ActDialog({ asking, ...props }: DialogProps & { readonly asking: Asking }) {
  switch (asking) {
    case 'retry':
      return <Retry {...props} />
    case 'result':
      return <Supply {...props} />
    default:
      return <Reasoned asking={asking} {...props} />
  }
}

const at = ({ flow, seq, generation }: RunDetail) => ({ flow, seq, generation })
const nameOf = ({ key, flow, seq }: RunDetail) => key ?? `${flow}/${seq}`

function Retry({ run, step, onClose }: DialogProps) {
  const [mayDouble, setMayDouble] = useState(false)
  const preview = useQuery({
    queryKey: ['preview', run.flow, run.seq, run.generation, step.name, null],
    queryFn: () => call('previewStep', { ...at(run), step: step.name }),
  })
  const retry = useAct('retryRun', { done: said(`${nameOf(run)} is tried again`, onClose) })
  const doubt = run.steps.some(({ inDoubt }) => inDoubt) || run.code === 'call.unknown-outcome'
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={`Retry ${run.flow} for ${nameOf(run)}?`}
      onSubmit={() => retry.mutate({ ...at(run), mayDouble })}
      footer={
        <Buttons
          onKeep={onClose}
          keep="Leave it as it is"
          act={`Retry ${step.name}`}
          pending={retry.isPending}
        />
      }
    >
      <Shown preview={preview.data} error={preview.error} />
      {preview.data && <Happens preview={preview.data} />}
      {doubt && (
        <label className="row">
          <input
            type="checkbox"
            checked={mayDouble}
            onChange={(event) => setMayDouble(event.target.checked)}
          />
          Send it although the last try may have had its effect: it may happen twice
        </label>
      )}
    </Dialog>
  )
}

function Supply({ run, step, onClose }: DialogProps) {
  const [text, setText] = useState('{\n  "id": ""\n}')
  const [reason, setReason] = useState('')
  const supply = useAct('supplyResult', { done: said(`${step.name} has its result`, onClose) })
  const value = parsed(text)
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Supply the result of ${step.name}?`}
      onSubmit={() => {
        if (value && reason.trim() !== '')
          supply.mutate({ ...at(run), step: step.name, result: value.value, reason: reason.trim() })
      }}
      footer={
        <Buttons
          onKeep={onClose}
          keep="Keep it parked"
          act={`Go on with this result`}
          disabled={!value || reason.trim() === ''}
          pending={supply.isPending}
        />
      }
    >
      <p>
        {step.system ?? step.name} is not called. The steps after it go on as if {step.name} had answered
        this.
      </p>
      <label className="field" data-bad={value ? undefined : ''}>
        <span>What {step.name} gave, as JSON</span>
        <textarea
          className="input mono"
          rows={6}
          spellCheck={false}
          autoFocus
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {!value && <span className="bad">This is not JSON yet.</span>}
      </label>
      <Reason value={reason} onChange={setReason} placeholder="Booked by hand, invoice 4711" />
    </Dialog>
  )
}

interface Words {
  readonly title: string
  readonly text: string
  readonly act: string
  readonly keep: string
}

function wordsOf(asking: Exclude<Asking, 'retry' | 'result'>, run: RunDetail, step: Step): Words {
  const name = nameOf(run)
  switch (asking) {
    case 'skip':
      return {
        title: `Skip ${step.name} for ${name}?`,
        text: `The run goes on without ${step.name}; the steps after it get no result of it. What is done stays done.`,
        act: `Skip ${step.name}`,
        keep: 'Keep it parked',
      }
    case 'skip-run':
      return {
        title: `Skip ${run.flow} for ${name}?`,
        text: 'The run ends for good without doing what is left. What is done stays done, and the next run of this key goes on.',
        act: 'Skip the run',
        keep: 'Keep it',
      }
    case 'compensate': {
      const done = run.steps.filter(({ state }) => state === 'done').map((each) => each.name)
      return {
        title: `Undo ${run.flow} for ${name}?`,
        text: `${done.length === 0 ? 'Nothing is done yet' : `${done.toReversed().join(', then ')} ${done.length === 1 ? 'is' : 'are'} undone`}; nothing of the run goes forward any more.`,
        act: 'Undo what was done',
        keep: 'Keep what was done',
      }
    }
    case 'approve':
      return {
        title: `Approve ${step.name} for ${name}?`,
        text: 'The run goes on at once.',
        act: `Approve ${step.name}`,
        keep: 'Decide later',
      }
    case 'refuse':
      return {
        title: `Refuse ${step.name} for ${name}?`,
        text: 'The step fails: the run is parked, or undone where its flow says so.',
        act: `Refuse ${step.name}`,
        keep: 'Decide later',
      }
  }
}

const routes = {
  skip: 'skipStep',
  'skip-run': 'skipRun',
  compensate: 'compensateRun',
  approve: 'approveStep',
  refuse: 'refuseStep',
} as const

function Reasoned({ asking, run, step, onClose }: DialogProps & { readonly asking: keyof typeof routes }) {
  const [reason, setReason] = useState('')
  const { title, text, act, keep } = wordsOf(asking, run, step)
  const doIt = useAct(routes[asking], { done: said(`Done: ${act.toLowerCase()}`, onClose) })
  const isOptional = asking === 'approve'
  const submit = () => {
    if (!isOptional && reason.trim() === '') return
    const said = reason.trim() === '' ? {} : isOptional ? { note: reason.trim() } : { reason: reason.trim() }
    const which = asking === 'skip-run' || asking === 'compensate' ? {} : { step: step.name }
    doIt.mutate({ ...at(run), ...which, ...said } as never)
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={title}
      onSubmit={submit}
      footer={
        <Buttons
          onKeep={onClose}
          keep={keep}
          act={act}
          disabled={!isOptional && reason.trim() === ''}
          pending={doIt.isPending}
        />
      }
    >
      <p>{text}</p>
      <Reason value={reason} onChange={setReason} optional={isOptional} />
    </Dialog>
  )
}

function Buttons({
  keep,
  act,
  disabled = false,
  pending,
  onKeep,
}: {
  readonly keep: string
  readonly act: string
  readonly disabled?: boolean
  readonly pending: boolean
  readonly onKeep: () => void
}) {
  return (
    <>
      <button type="button" className="btn" onClick={onKeep}>
        {keep}
      </button>
      <button type="submit" className="btn primary" disabled={disabled || pending}>
        {act}
        <Key>Ctrl ↵</Key>
      </button>
    </>
  )
}

function Reason({
  value,
  onChange,
  optional = false,
  placeholder = '',
}: {
  readonly value: string
  readonly onChange: (value: string) => void
  readonly optional?: boolean
  readonly placeholder?: string
}) {
  return (
    <label className="field">
      <span>{optional ? 'A note, if there is something to say' : 'Why'} (kept in the audit trail)</span>
      <input
        className="input"
        value={value}
        maxLength={500}
        placeholder={placeholder}
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  )
}

function said(title: string, onClose: () => void): () => void {
  return () => {
    toast({ tone: 'ok', title })
    onClose()
  }
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseExactly(text) }
  } catch {
    return undefined
  }
}

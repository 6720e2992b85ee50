import { useMutation } from '@tanstack/react-query'
import { useId, useState } from 'react'
import type { Answer } from '../../api.ts'
import { ApiError, call } from '../../api.ts'
import { useAct } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { written } from '../../parts/payload.tsx'
import { toast } from '../../parts/toast.tsx'
import { fieldsOf, valueAt, withValue } from './form-fields.ts'
import type { FormField } from './form-fields.ts'

type EventType = Answer<'readCatalog'>['items'][number]

interface PublishTestProps {
  readonly types: readonly EventType[]
  readonly type: string
  readonly onType: (type: string) => void
  readonly onClose: () => void
}

/** A form made from the contract's schema: check the event first, then publish it. */
export function PublishTest({ types, type, onType, onClose }: PublishTestProps) {
  const chosen = types.find((each) => each.type === type) ?? types[0]
  if (!chosen) return null
  return <Form key={chosen.type} {...{ types, chosen, onType, onClose }} />
}

function Form({
  types,
  chosen,
  onType,
  onClose,
}: Omit<PublishTestProps, 'type'> & { readonly chosen: EventType }) {
  const fields = fieldsOf(chosen.schema)
  const [text, setText] = useState(() => written(chosen.example))
  const [asText, setAsText] = useState(fields.length === 0)
  const data = read(text)
  const { publish, check, faults, checked } = usePublish(chosen.type, onClose)
  const submit = () => {
    if (data !== undefined) publish.mutate({ type: chosen.type, data })
  }
  const flows = chosen.consumers.map(({ flow }) => flow)
  return (
    <Dialog
      open
      wide
      title="Publish a test event"
      onClose={onClose}
      onSubmit={submit}
      footer={
        <>
          <button type="button" className="btn" onClick={onClose}>
            Publish nothing <kbd aria-hidden="true">Esc</kbd>
          </button>
          <button
            type="button"
            className="btn"
            disabled={data === undefined}
            onClick={() => check.mutate(data)}
          >
            Check event
          </button>
          <button type="submit" className="btn primary" disabled={data === undefined || publish.isPending}>
            Publish test event <kbd aria-hidden="true">Ctrl Enter</kbd>
          </button>
        </>
      }
    >
      <label className="field">
        <span>Type</span>
        <select className="input" value={chosen.type} onChange={(event) => onType(event.target.value)}>
          {types.map(({ type, version }) => (
            <option key={type} value={type}>
              {version === '' ? type : `${type}, version ${version}`}
            </option>
          ))}
        </select>
        <small>{whatHappens(flows)}</small>
      </label>
      {fields.length > 0 && (
        <label className="check">
          <input type="checkbox" checked={asText} onChange={() => setAsText(!asText)} /> Write it as JSON
        </label>
      )}
      {asText ? (
        <JsonField text={text} isJson={data !== undefined} onChange={setText} />
      ) : (
        <div className="form-grid">
          {fields.map((field) => (
            <Field
              key={field.path.join('.')}
              field={field}
              value={valueAt(data, field.path)}
              fault={faults.get(`/data/${field.path.join('/')}`)}
              onChange={(value) => setText(written(withValue(data, field.path, value)))}
            />
          ))}
        </div>
      )}
      <Verdict faults={faults} checked={checked} />
    </Dialog>
  )
}

function whatHappens(flows: readonly string[]): string {
  if (flows.length === 0) return 'It is stored; no flow runs on it.'
  return `It is a real event: ${flows.join(', ')} ${flows.length === 1 ? 'runs' : 'run'} on it and systems are called. It is marked as a test.`
}

function usePublish(type: string, onClose: () => void) {
  const [faults, setFaults] = useState<ReadonlyMap<string, string>>(new Map())
  const [checked, setChecked] = useState<string>()
  const refuse = (error: Error) => {
    setChecked(undefined)
    setFaults(faultsOf(error))
  }
  const publish = useAct('publishTest', {
    done: ({ key, seq, id }) => {
      toast({
        tone: 'ok',
        title: `${key ?? id} is published`,
        ...(seq !== null && { open: { to: `/events?seq=${seq}`, words: 'See what becomes of it' } }),
      })
      onClose()
    },
  })
  const check = useMutation({
    mutationFn: (data: unknown) => call('publishTest', { type, data, dryRun: true }),
    onSuccess: ({ key }) => {
      setFaults(new Map())
      setChecked(
        key === null ? 'It would be accepted; it has no key.' : `It would be accepted, with the key ${key}.`,
      )
    },
    onError: refuse,
  })
  const mutate: typeof publish.mutate = (input) => publish.mutate(input, { onError: refuse })
  return { publish: { ...publish, mutate }, check, faults, checked }
}

function faultsOf(error: Error): ReadonlyMap<string, string> {
  const errors = error instanceof ApiError ? error.document['errors'] : undefined
  const list = Array.isArray(errors) ? (errors as { pointer: string; message: string }[]) : []
  return new Map(
    list.length > 0 ? list.map(({ pointer, message }) => [pointer, message]) : [['', error.message]],
  )
}

function Verdict({
  faults,
  checked,
}: {
  readonly faults: ReadonlyMap<string, string>
  readonly checked: string | undefined
}) {
  return (
    <div role="status" className="verdict-line">
      {checked}
      {faults.size > 0 && (
        <ul className="faults">
          {[...faults].map(([pointer, message]) => (
            <li key={pointer}>
              <span className="mono">{pointer.replace(/^\/data/, '') || 'the event'}</span> {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

function JsonField({
  text,
  isJson,
  onChange,
}: {
  readonly text: string
  readonly isJson: boolean
  readonly onChange: (text: string) => void
}) {
  return (
    <label className="field" data-bad={isJson ? undefined : ''}>
      <span>Data</span>
      <textarea
        className="input mono tall"
        spellCheck={false}
        value={text}
        onChange={(event) => onChange(event.target.value)}
      />
      {!isJson && <span className="bad">This is not JSON yet.</span>}
    </label>
  )
}

interface FieldProps {
  readonly field: FormField
  readonly value: unknown
  readonly fault: string | undefined
  readonly onChange: (value: unknown) => void
}

function Field({ field, value, fault, onChange }: FieldProps) {
  const { name, kind, choices, hint, needed } = field
  const id = useId()
  const shown =
    value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)
  const common = { id, value: shown, 'aria-describedby': `${id}-says`, 'aria-invalid': fault !== undefined }
  return (
    <div className="field" data-bad={fault === undefined ? undefined : ''}>
      <span className="row">
        <label htmlFor={id}>{name}</label>
        {!needed && <i className="faint">optional</i>}
      </span>
      {choices ? (
        <select {...common} className="input" onChange={(event) => onChange(event.target.value || undefined)}>
          {!needed && <option value="">none</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...common}
          className={kind === 'json' ? 'input mono' : 'input'}
          inputMode={kind === 'number' ? 'decimal' : undefined}
          onChange={(event) => onChange(typed(event.target.value, field))}
        />
      )}
      <small id={`${id}-says`} className={fault === undefined ? undefined : 'bad'}>
        {fault ?? hint}
      </small>
    </div>
  )
}

/** What is typed, as the schema wants it; what does not fit stays text, and the check says so. */
function typed(text: string, { kind, needed }: FormField): unknown {
  if (text === '' && !needed) return undefined
  if (kind === 'text') return text
  const value = read(text)
  return value === undefined ? text : value
}

function read(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

import { useQuery } from '@tanstack/react-query'
import { Send } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { parseExactly } from '../../../../src/control/exact-json.ts'
import type { Answer } from '../../api.ts'
import { call } from '../../api.ts'
import { useAct } from '../../parts/ask.tsx'
import { counted } from '../../parts/measure.tsx'
import { Key, useSearchValue } from '../../parts/page.tsx'
import { written } from '../../parts/payload.tsx'
import { Sign } from '../../parts/sign.tsx'
import { Time } from '../../parts/time.tsx'
import { toast } from '../../parts/toast.tsx'
import { Words } from '../../parts/words.tsx'
import { Form } from './form.tsx'
import { changesIn, Pair } from './pair.tsx'
import type { RunDetail, Step } from './run.ts'
import { comparable } from './run.ts'

type Preview = Answer<'previewStep'>
const views = ['form', 'text', 'difference'] as const
type View = (typeof views)[number]
const names: Readonly<Record<View, string>> = { form: 'Form', text: 'Text', difference: 'Difference' }

/** Other data for a step, and the difference that it makes before it is sent. */
export function Edit({
  run,
  step,
  onClose,
}: {
  readonly run: RunDetail
  readonly step: Step
  readonly onClose: () => void
}) {
  const begun = step.input ?? run.event.data
  const [text, setText] = useState(() => written(begun))
  const [reason, setReason] = useState('')
  const [asked, ask] = useSearchValue('edit')
  const view: View = views.find((each) => each === asked) ?? 'form'
  const card = useRef<HTMLElement>(null)
  useEffect(() => card.current?.scrollIntoView({ block: 'nearest' }), [])
  const data = parsed(text)
  const preview = useQuery({
    queryKey: ['preview', run.flow, run.seq, run.generation, step.name, text],
    queryFn: () => call('previewStep', { ...at(run), step: step.name, data: data?.value }),
    enabled: view === 'difference' && data !== undefined,
    staleTime: 5_000,
  })
  const send = useAct('editStep', {
    done: () => {
      toast({ tone: 'ok', title: `${step.name} is sent with other data` })
      onClose()
    },
  })
  const ready = view === 'difference' && preview.data !== undefined && preview.data.refused === null
  const go = () => {
    if (data === undefined) return
    if (!ready) return ask('difference')
    send.mutate({
      ...at(run),
      step: step.name,
      data: data.value,
      ...(reason.trim() !== '' && { reason: reason.trim() }),
    })
  }
  return (
    <section
      ref={card}
      className="card run-edit"
      aria-label={`Edit and retry ${step.name}`}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) go()
        if (event.key === 'Escape') onClose()
      }}
    >
      <header>
        <h2>Edit and retry {step.name}</h2>
        <div className="seg" role="group" aria-label="How to edit">
          {views.map((each) => (
            <button key={each} type="button" aria-pressed={each === view} onClick={() => ask(each)}>
              {names[each]}
            </button>
          ))}
        </div>
      </header>
      {view === 'form' && <Form text={text} onChange={setText} />}
      {view === 'text' && (
        <textarea
          className="input mono run-text"
          aria-label="The data as JSON"
          spellCheck={false}
          value={text}
          rows={Math.min(28, Math.max(8, text.split('\n').length + 1))}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      {view === 'difference' && data !== undefined && <Shown preview={preview.data} error={preview.error} />}
      {data === undefined && (
        <p className="body bad" role="alert">
          This is not JSON yet: look for a missing comma, quote or bracket.
        </p>
      )}
      <div className="body run-why">
        <label className="field">
          <span>Why (kept in the audit trail)</span>
          <input
            className="input"
            value={reason}
            maxLength={500}
            placeholder="Tax code as told by product data"
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        {view === 'difference' && preview.data && <Happens preview={preview.data} />}
      </div>
      <footer>
        <span className="dim">
          {preview.data?.refused ?? 'Nothing is sent before you have seen the difference.'}
        </span>
        <span className="row run-send">
          <button type="button" className="btn ghost s" onClick={onClose}>
            Discard
          </button>
          <button
            type="button"
            className="btn primary s"
            disabled={data === undefined || send.isPending || (view === 'difference' && !ready)}
            onClick={go}
          >
            <Send className="i" aria-hidden="true" />
            {ready && preview.data
              ? `Send with ${counted(changesOf(preview.data), 'change')}`
              : 'Show the difference'}
            <Key>Ctrl ↵</Key>
          </button>
        </span>
      </footer>
    </section>
  )
}

/** What was sent beside what will be sent; where that cannot be told, the data beside each other. */
export function Shown({
  preview,
  error,
}: {
  readonly preview: Preview | undefined
  readonly error: Error | null
}) {
  if (error)
    return (
      <p className="body bad" role="alert">
        {error.message}
      </p>
    )
  if (!preview) return <p className="loading faint">Making the request, without sending it …</p>
  const changes = (
    <span className="tone" data-tone="ok">
      {counted(changesOf(preview), 'change')}
    </span>
  )
  const { before, after, isRequest } = texts(preview)
  return (
    <>
      {preview.why !== null && (
        <p className="body run-note">
          <span className="tone" data-tone="park">
            <Sign name="ask" />
          </span>{' '}
          The request cannot be shown: {preview.why}. Here is the data.
        </p>
      )}
      {preview.why === null && preview.recorded === null && (
        <p className="body run-note dim">What was sent before is not recorded: here is the data.</p>
      )}
      <Pair
        before={before}
        after={after}
        heads={
          isRequest
            ? [
                <>As it was sent {preview.sentAt !== null && <Time at={preview.sentAt} clock />}</>,
                <>As it will be sent {changes}</>,
              ]
            : ['The data as it is', <>The data as it will be {changes}</>]
        }
      />
    </>
  )
}

function texts({ request, recorded, input }: Preview) {
  if (request !== null && recorded !== null)
    return { before: comparable(recorded), after: comparable(request), isRequest: true }
  return { before: written(input.before), after: written(input.now), isRequest: false }
}

/** Lines that differ, but for the idempotency key, which is another one after each edit. */
function changesOf(preview: Preview): number {
  const { before, after } = texts(preview)
  const rest = (text: string) => text.replaceAll(/^idempotency-key: .*$/gm, '')
  return changesIn(rest(before), rest(after))
}

/** What will happen, one thing after another. */
export function Happens({ preview }: { readonly preview: Preview }) {
  return (
    <div>
      <b className="small">What happens</b>
      <ol className="todo small">
        {preview.happens.map((sentence, index) => (
          <li key={index}>
            <span>
              <Words parts={sentence} />
            </span>
          </li>
        ))}
      </ol>
    </div>
  )
}

function at({ flow, seq, generation }: RunDetail) {
  return { flow, seq, generation }
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseExactly(text) }
  } catch {
    return undefined
  }
}

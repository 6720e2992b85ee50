import { useNavigate } from '@tanstack/react-router'
import { useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useState } from 'react'
import { ApiError } from '../../api.ts'
import type { Answer, Input } from '../../api.ts'
import { systemsIn, useMayNot } from '../../me.ts'
import { useAct, useAsk } from '../../parts/ask.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Sign } from '../../parts/sign.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import { comparisonKey } from '../replay/comparison.tsx'

type Flow = Answer<'listFlows'>['items'][number]
type States = NonNullable<Input<'planReplay'>['states']>

interface Draft {
  readonly flow: string
  readonly all: boolean
  readonly from: string
  readonly to: string
  readonly key: string
  readonly types: readonly string[]
  readonly states: readonly States[number][]
  readonly keys: '' | 'same' | 'new'
  readonly rate: string
  readonly percent: string
  readonly ramp: string
  readonly reason: string
}

/** What to replay and how. Only plans: the plan is shown before anything is sent. The address may give flow and key. */
export function NewReplay({ onClose }: { readonly onClose: () => void }) {
  const [flow = ''] = useSearchValue('flow')
  const [key = ''] = useSearchValue('key')
  const flows = useAsk('groups', 'listFlows')
  const [draft, setDraft] = useState<Draft>({
    ...{ flow, key, all: false, from: '', to: '', types: [], states: [], keys: '' },
    ...{ rate: '50', percent: '10', ramp: '1, 10, 100', reason: '' },
  })
  const { plan, refusal, isPending } = usePlan()
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }))
  const items = flows.data?.items ?? []
  const known = items.find((each) => each.flow === draft.flow)
  const mayNot = useMayNot({ touches: known ? systemsIn(known.steps) : 'chosen' })
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      onSubmit={() => !isPending && mayNot === undefined && plan(inputOf(draft))}
      title="Which events are to be run once more?"
      footer={
        <>
          <span className="grow small dim">Nothing is sent yet: the plan comes first.</span>
          <button type="button" className="btn" onClick={onClose}>
            Replay nothing <kbd aria-hidden="true">Esc</kbd>
          </button>
          <button
            type="submit"
            className="btn primary"
            disabled={isPending || mayNot !== undefined}
            title={mayNot}
          >
            {isPending ? 'Planning …' : 'Plan replay'} <kbd aria-hidden="true">Ctrl Enter</kbd>
          </button>
        </>
      }
    >
      {mayNot !== undefined && (
        <p className="note" data-tone="park" role="status">
          <Sign name="park" />
          {mayNot}
        </p>
      )}
      {refusal && (
        <p className="note" data-tone="park" role="alert">
          <Sign name="park" />
          {refusal}
        </p>
      )}
      <Field name="Flow">
        <select
          className="input"
          value={draft.flow}
          required
          onChange={(event) => set({ flow: event.target.value, types: [] })}
        >
          <option value="">Choose a flow</option>
          {items.map((each) => (
            <option key={each.flow}>{each.flow}</option>
          ))}
        </select>
      </Field>
      <Selection draft={draft} flow={known} set={set} />
      <Keys draft={draft} set={set} />
      <Pace draft={draft} set={set} />
      <Field name="Reason" hint="Stays with the replay, and in the audit trail.">
        <input
          className="input"
          required
          maxLength={500}
          value={draft.reason}
          onChange={(event) => set({ reason: event.target.value })}
        />
      </Field>
    </Dialog>
  )
}

/** Plans, keeps the comparison for the page of the plan, and goes there. What is refused is said in the form. */
function usePlan() {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [refusal, setRefusal] = useState<string>()
  const { mutate, isPending } = useAct('planReplay', {
    done: ({ id, preview }) => {
      queries.setQueryData(comparisonKey(id), { preview })
      void navigate({ to: `/replays/${id}` })
    },
  })
  const plan = (input: Input<'planReplay'>) => {
    setRefusal(undefined)
    mutate(input, { onError: (error) => setRefusal(said(error)) })
  }
  return { plan, refusal, isPending }
}

function said(error: Error): string {
  const faults = error instanceof ApiError ? error.document['errors'] : undefined
  if (!Array.isArray(faults)) return `${error.message}.`
  return (faults as { message: string }[]).map(({ message }) => `${message}.`).join(' ')
}

function inputOf(draft: Draft): Input<'planReplay'> {
  const { flow, all, from, to, key, types, states, keys, rate, percent, ramp, reason } = draft
  return {
    flow,
    ...(all
      ? { all }
      : {
          ...(from !== '' && { from: new Date(from).toISOString() }),
          ...(to !== '' && { to: new Date(to).toISOString() }),
          ...(key.trim() !== '' && { key: key.trim() }),
          ...(types.length > 0 && { types: [...types] }),
          ...(states.length > 0 && { states: [...states] }),
        }),
    keys: keys as 'same' | 'new',
    rate: Number(rate),
    maxErrors: Number(percent) / 100,
    ramp: ramp
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(Number),
    reason,
  }
}

interface PartProps {
  readonly draft: Draft
  readonly set: (change: Partial<Draft>) => void
}

const stateWords: readonly (readonly [States[number], string])[] = [
  ['succeeded', 'succeeded'],
  ['skipped', 'skipped'],
  ['superseded', 'superseded'],
  ['compensated', 'compensated'],
  ['none', 'from before the flow began'],
]

function Selection({ draft, set, flow }: PartProps & { readonly flow: Flow | undefined }) {
  return (
    <fieldset className="choice-group">
      <legend>Events</legend>
      <div className="seg-line">
        <Radio name="which" checked={!draft.all} onChoose={() => set({ all: false })}>
          those that fit all of this
        </Radio>
        <Radio name="which" checked={draft.all} onChoose={() => set({ all: true })}>
          all that the flow has run
        </Radio>
      </div>
      {!draft.all && (
        <>
          <div className="fields-3">
            <Field name="Accepted since">
              <input
                className="input"
                type="datetime-local"
                value={draft.from}
                onChange={(event) => set({ from: event.target.value })}
              />
            </Field>
            <Field name="Accepted before">
              <input
                className="input"
                type="datetime-local"
                value={draft.to}
                onChange={(event) => set({ to: event.target.value })}
              />
            </Field>
            <Field name="About this key">
              <input
                className="input"
                placeholder="any"
                value={draft.key}
                maxLength={255}
                onChange={(event) => set({ key: event.target.value })}
              />
            </Field>
          </div>
          {flow && flow.types.length > 1 && (
            <Checks
              legend="Of these types"
              options={flow.types.map((type) => [type, type] as const)}
              chosen={draft.types}
              onChange={(types) => set({ types })}
            />
          )}
          <Checks
            legend="Whose latest run is"
            options={stateWords}
            chosen={draft.states}
            onChange={(states) => set({ states })}
          />
        </>
      )}
    </fieldset>
  )
}

function Keys({ draft, set }: PartProps) {
  return (
    <fieldset className="choice-group">
      <legend>Idempotency keys</legend>
      <Radio name="keys" required checked={draft.keys === 'same'} onChoose={() => set({ keys: 'same' })}>
        <b>The same as the first time.</b> A system that remembers them does nothing for what it has done, and
        does what it has lost.
      </Radio>
      <Radio name="keys" required checked={draft.keys === 'new'} onChoose={() => set({ keys: 'new' })}>
        <b>New ones.</b> Each system does everything once more, also what has succeeded.
      </Radio>
    </fieldset>
  )
}

function Pace({ draft, set }: PartProps) {
  return (
    <div className="fields-3">
      <Field name="At most a second">
        <input
          className="input"
          type="number"
          min="0.001"
          max="10000"
          step="any"
          required
          value={draft.rate}
          onChange={(event) => set({ rate: event.target.value })}
        />
      </Field>
      <Field name="Stops above % failed">
        <input
          className="input"
          type="number"
          min="0"
          max="100"
          step="any"
          required
          value={draft.percent}
          onChange={(event) => set({ percent: event.target.value })}
        />
      </Field>
      <Field name="First stages, then the rest">
        <input
          className="input"
          pattern="[\d\s,]*"
          title="Whole numbers with commas: 1, 10, 100"
          value={draft.ramp}
          onChange={(event) => set({ ramp: event.target.value })}
        />
      </Field>
    </div>
  )
}

function Field({
  name,
  hint,
  children,
}: {
  readonly name: string
  readonly hint?: string
  readonly children: ReactNode
}) {
  return (
    <label className="field">
      <span>{name}</span>
      {children}
      {hint !== undefined && <small>{hint}</small>}
    </label>
  )
}

interface RadioProps {
  readonly name: string
  readonly checked: boolean
  readonly required?: boolean
  readonly onChoose: () => void
  readonly children: ReactNode
}

function Radio({ name, checked, required = false, onChoose, children }: RadioProps) {
  return (
    <label className="radio">
      <input type="radio" name={name} checked={checked} required={required} onChange={onChoose} />
      <span>{children}</span>
    </label>
  )
}

interface ChecksProps<Value extends string> {
  readonly legend: string
  readonly options: readonly (readonly [value: Value, words: string])[]
  readonly chosen: readonly Value[]
  readonly onChange: (chosen: readonly Value[]) => void
}

function Checks<Value extends string>({ legend, options, chosen, onChange }: ChecksProps<Value>) {
  const toggle = (value: Value) =>
    onChange(chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value])
  return (
    <fieldset className="checks">
      <legend>
        {legend}
        {chosen.length === 0 && <span className="any"> any, if none is chosen</span>}
      </legend>
      {options.map(([value, words]) => (
        <label key={value} className="check">
          <input type="checkbox" checked={chosen.includes(value)} onChange={() => toggle(value)} />
          {words}
        </label>
      ))}
    </fieldset>
  )
}

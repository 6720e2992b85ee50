import { Link } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { call } from '../../api.ts'
import { useMayNot, useSystemsOf } from '../../me.ts'
import { Asked } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { count, counted } from '../../parts/measure.tsx'
import { Payload } from '../../parts/payload.tsx'

type Replay = Pick<Answer<'getReplay'>, 'id' | 'flow'>
type Preview = Answer<'compareReplay'>['preview']
type PreviewedStep = Preview[number]['steps'][number]
interface Compared {
  readonly seq: number
  readonly key: string | null
  readonly step: PreviewedStep
}

const sample = 20
const firstShown = 5

/** Where the comparison of a plan is kept; it is made from the flow's code, so it is asked for once. */
export const comparisonKey = (id: number) => ['comparison', id] as const

/** What a planned replay would send, beside what was sent: nothing is sent for it. */
export function Comparison({ replay: { id, flow } }: { readonly replay: Replay }) {
  const mayNot = useMayNot({ touches: useSystemsOf()((each) => each.flow === flow) })
  const query = useQuery({
    queryKey: comparisonKey(id),
    queryFn: () => call('compareReplay', { id, sample }),
    staleTime: Number.POSITIVE_INFINITY,
    enabled: mayNot === undefined,
  })
  return (
    <Card
      title="What would be sent, beside what was"
      aside={<span className="small faint">nothing is sent for this</span>}
      flush
    >
      {mayNot === undefined || query.data ? (
        <Asked query={query}>{({ preview }) => <Found preview={preview} />}</Asked>
      ) : (
        <p className="body dim">It is made for those who may start this replay. {mayNot}</p>
      )}
    </Card>
  )
}

function Found({ preview }: { readonly preview: Preview }) {
  const [all, setAll] = useState(false)
  const steps = preview.flatMap(({ seq, key, steps: own }) =>
    own.map((step): Compared => ({ seq, key, step })),
  )
  const changed = steps.filter(({ step }) => step.result === 'changed')
  const example = changed.length === 0 ? steps.find(({ step }) => step.result === 'not-recorded') : undefined
  const shown = all ? changed : changed.slice(0, firstShown)
  return (
    <>
      <p className="body">{sentenceOf(steps)}</p>
      {shown.map((each) => (
        <Changed key={`${each.seq} ${each.step.step}`} compared={each} />
      ))}
      {changed.length > shown.length && (
        <footer>
          <button type="button" className="btn s" onClick={() => setAll(true)}>
            Show all {changed.length} that differ
          </button>
        </footer>
      )}
      {example && <Example compared={example} />}
    </>
  )
}

const named: readonly (readonly [PreviewedStep['result'], string])[] = [
  ['changed', 'would differ'],
  ['same', 'would be the same'],
  ['not-recorded', 'not recorded the first time'],
  ['several', 'of steps with several requests, of which the last was recorded'],
  ['skipped', 'left out by their condition'],
  ['not-shown', 'cannot be shown'],
]

function sentenceOf(steps: readonly Compared[]): string {
  if (steps.length === 0) return 'No request could be compared.'
  const parts = named
    .map(([result, words]) => [steps.filter(({ step }) => step.result === result).length, words] as const)
    .filter(([number]) => number > 0)
    .map(([number, words]) => `${count(number)} ${words}`)
  const hidden = steps.find(({ step }) => step.result === 'not-shown')?.step.why
  return `Of ${counted(steps.length, 'request')} looked at: ${parts.join(', ')}.${hidden ? ` Not shown, for one: ${hidden}.` : ''}`
}

function Heading({ compared: { seq, key, step } }: { readonly compared: Compared }) {
  return (
    <h3>
      {key === null ? (
        <Link className="link" to={`/events?seq=${seq}`}>
          event {seq}
        </Link>
      ) : (
        <Link className="link" to={`/objects/${encodeURIComponent(key)}`}>
          {key}
        </Link>
      )}
      , step {step.step} to {step.system}
    </h3>
  )
}

function Changed({ compared }: { readonly compared: Compared }) {
  const { step } = compared
  return (
    <section className="compared">
      <Heading compared={compared} />
      <pre className="code" tabIndex={0}>
        {step.differences.flatMap(({ field, before, now }) => [
          <span key={field} className="k">
            {field}
          </span>,
          ...(before === null ? [] : [<Line key={`${field} -`} kind="del" text={before} />]),
          ...(now === null ? [] : [<Line key={`${field} +`} kind="add" text={now} />]),
        ])}
      </pre>
      {step.request !== null && (
        <details>
          <summary>Whole request</summary>
          <Payload value={step.request} />
        </details>
      )}
    </section>
  )
}

function Line({ kind, text }: { readonly kind: 'del' | 'add'; readonly text: string }) {
  return (
    <span className={kind}>
      <span className="g">{kind === 'del' ? '−' : '+'}</span>
      {text}
    </span>
  )
}

function Example({ compared }: { readonly compared: Compared }) {
  return (
    <section className="compared">
      <Heading compared={compared} />
      <p className="small dim">For example, this would be sent:</p>
      <Payload value={compared.step.request ?? ''} />
    </section>
  )
}

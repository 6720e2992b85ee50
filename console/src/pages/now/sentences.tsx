import { Link } from '@tanstack/react-router'
import { Play, Plug } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Answer } from '../../api.ts'
import { useKeys } from '../../keyboard.ts'
import { whyNot } from '../../may.ts'
import { useMe, useSystemsOf } from '../../me.ts'
import { ActButton } from '../../parts/act-button.tsx'
import { Key } from '../../parts/page.tsx'
import type { SignName } from '../../parts/sign.tsx'
import { Sign } from '../../parts/sign.tsx'
import { lookOf } from '../../parts/state.tsx'
import { clock } from '../../parts/time.tsx'
import { useResume, useTestCall } from '../../parts/system-acts.ts'
import { pathTo, Words } from '../../parts/words.tsx'

type Sentence = Answer<'now'>['sentences'][number]

const signs: Readonly<Record<Sentence['tone'], SignName>> = {
  park: 'park',
  retry: 'retry',
  wait: 'wait',
  rest: 'paused',
  ok: 'ok',
}

/** What is true now: one sentence for each thing, with the act that helps; the first of each kind has a key. */
export function Sentences({ of }: { readonly of: readonly Sentence[] }) {
  const test = useTestCall()
  const resume = useResume()
  const touched = useTouched()
  const me = useMe()
  const may = (act: Doable) => !me || whyNot(me, { touches: touched(act) }) === undefined
  const tested = of.find(({ act }) => act?.verb === 'test' && may(act))?.act
  const paused = of.find(({ act }) => act?.verb === 'resume' && may(act))?.act
  useKeys({
    t: tested ? () => test.mutate({ name: tested.id }) : undefined,
    p: paused ? () => resume(paused) : undefined,
  })
  return (
    <div className="sentence">
      {of.map((each, place) => (
        <p key={place} className={each.tone === 'ok' ? 'rest' : undefined} data-tone={each.tone}>
          <Sign name={each.standing === null ? signs[each.tone] : lookOf('system', each.standing).sign} />
          <span>
            <Words parts={each.sentence} />.
          </span>
          {each.act?.verb === 'test' && (
            <ActButton
              className="btn s"
              touches={touched(each.act)}
              disabled={test.isPending}
              onClick={() => test.mutate({ name: each.act?.id ?? '' })}
            >
              <Plug className="i" aria-hidden="true" />
              {test.isPending ? 'Calling …' : each.act.text}
              {each.act === tested && <Key>T</Key>}
            </ActButton>
          )}
          {each.act?.verb === 'resume' && (
            <ActButton
              className="btn s"
              touches={touched(each.act)}
              onClick={() => each.act && resume(each.act)}
            >
              <Play className="i" aria-hidden="true" />
              {each.act.text}
              {each.act === paused && <Key>P</Key>}
            </ActButton>
          )}
          {each.act?.verb === 'open' && (
            <Link to={pathTo(each.act.to, each.act.id)} className="btn s desk-only">
              {each.act.text}
            </Link>
          )}
        </p>
      ))}
      <Announced text={of.map(({ sentence }) => `${spoken(sentence)}.`).join(' ')} />
    </div>
  )
}

type Doable = NonNullable<Sentence['act']>

/** The systems that the act of a sentence is about. */
function useTouched(): (act: Doable) => readonly string[] {
  const systemsOf = useSystemsOf()
  return ({ to, id }) => (to === 'group' ? systemsOf(({ group }) => group === id) : [id])
}

function spoken(parts: Sentence['sentence']): string {
  return parts.map((part) => (part.kind === 'time' ? clock(part.at) : part.text)).join('')
}

const quietMs = 10_000

/** For readers of the screen: what has changed, at most once in ten seconds. */
function Announced({ text }: { readonly text: string }) {
  const [said, say] = useState('')
  const lastAt = useRef(Date.now())
  useEffect(() => {
    const waitMs = Math.max(0, lastAt.current + quietMs - Date.now())
    const timer = setTimeout(() => {
      lastAt.current = Date.now()
      say(text)
    }, waitMs)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <span className="sr" aria-live="polite">
      {said}
    </span>
  )
}

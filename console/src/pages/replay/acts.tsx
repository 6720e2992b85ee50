import { Pause, Play, X } from 'lucide-react'
import { useState } from 'react'
import { warningsOf } from '../../../../src/control/replay-words.ts'
import { useAct } from '../../parts/ask.tsx'
import { count } from '../../parts/measure.tsx'
import { Key } from '../../parts/page.tsx'
import { ReasonDialog } from '../../parts/reason-dialog.tsx'
import { Sign } from '../../parts/sign.tsx'
import { toast } from '../../parts/toast.tsx'
import { useActs } from '../../shell/acts.ts'
import type { Replay } from './figures.ts'
import { eventsWord, rampWords } from './figures.ts'

type Verb = 'start' | 'pause' | 'resume' | 'cancel'

/** What may be done with a replay as it stands; each asks first, and says what will happen. */
export function ReplayActs({
  replay,
  touches,
}: {
  readonly replay: Replay
  readonly touches: readonly string[]
}) {
  const [asked, setAsked] = useState<Verb>()
  const { state, total, counts } = replay
  const left = state === 'planned' ? total : counts.left
  const isOver = state === 'done' || state === 'cancelled'
  const forward: Verb | undefined = isOver
    ? undefined
    : state === 'planned'
      ? 'start'
      : state === 'running'
        ? 'pause'
        : 'resume'
  const word =
    forward &&
    { start: `Run ${eventsWord(total)} again…`, pause: 'Pause', resume: 'Go on…' }[forward as 'start']
  const key = forward === 'start' ? 'r' : 'p'
  const Icon = forward === 'pause' ? Pause : Play
  const stop = state === 'planned' ? 'Drop the plan…' : `Cancel the rest…`
  useActs([
    forward !== undefined &&
      word !== undefined && { name: word, key, icon: Icon, touches, run: () => setAsked(forward) },
    !isOver && { name: stop, icon: X, touches, run: () => setAsked('cancel') },
  ])
  if (isOver || forward === undefined) return null
  return (
    <>
      <button
        type="button"
        className="btn"
        onClick={() => setAsked('cancel')}
        disabled={left + counts.underWay === 0}
      >
        <X className="i" aria-hidden="true" />
        {stop}
      </button>
      <button type="button" className="btn primary" onClick={() => setAsked(forward)}>
        <Icon className="i" aria-hidden="true" />
        {word} <Key>{key.toUpperCase()}</Key>
      </button>
      {asked !== undefined && <Ask verb={asked} replay={replay} onClose={() => setAsked(undefined)} />}
    </>
  )
}

const operations = {
  start: 'startReplay',
  pause: 'pauseReplay',
  resume: 'resumeReplay',
  cancel: 'cancelReplay',
} as const

function Ask({
  verb,
  replay,
  onClose,
}: {
  readonly verb: Verb
  readonly replay: Replay
  readonly onClose: () => void
}) {
  const { title, act, keep, said } = textsOf(verb, replay)
  const { mutate, isPending } = useAct(operations[verb], {
    done: () => {
      toast({ tone: 'ok', title: said })
      onClose()
    },
  })
  return (
    <ReasonDialog
      title={title}
      act={act}
      keep={keep}
      danger={verb === 'cancel'}
      needed={verb === 'cancel'}
      wide={verb === 'start'}
      busy={isPending}
      onClose={onClose}
      onAct={(reason) => mutate({ id: replay.id, ...(reason !== undefined && { reason }) })}
    >
      <p className="dim">{whatHappens(verb, replay)}</p>
      {verb === 'start' && <Warnings replay={replay} />}
    </ReasonDialog>
  )
}

function textsOf(verb: Verb, replay: Replay): { title: string; act: string; keep: string; said: string } {
  const { id, flow, total, state } = replay
  const events = eventsWord(total)
  switch (verb) {
    case 'start':
      return {
        title: `Run ${events} of ${flow} once more?`,
        act: `Run ${events} again`,
        keep: 'Send nothing',
        said: `Replay ${id} begins`,
      }
    case 'pause':
      return {
        title: `Pause replay ${id}?`,
        act: 'Pause it',
        keep: 'Let it run',
        said: `Replay ${id} is paused`,
      }
    case 'resume':
      return {
        title: `Go on with replay ${id}?`,
        act: 'Go on',
        keep: 'Leave it',
        said: `Replay ${id} goes on`,
      }
    case 'cancel':
      return state === 'planned'
        ? {
            title: `Drop the plan of replay ${id}?`,
            act: 'Drop the plan',
            keep: 'Keep the plan',
            said: `Replay ${id} was dropped`,
          }
        : {
            title: `Cancel the rest of replay ${id}?`,
            act: 'Cancel the rest',
            keep: 'Keep it',
            said: `Replay ${id} is cancelled`,
          }
  }
}

function whatHappens(verb: Verb, { state, counts, keys, ramp, total, rate, maxErrors }: Replay): string {
  const begun =
    counts.underWay > 0 ? ` The ${count(counts.underWay)} that were begun go on to their end.` : ''
  switch (verb) {
    case 'start':
      return `First ${rampWords({ ramp, total })}, at most ${count(rate)} a second, with ${keys === 'same' ? 'the same idempotency keys as before' : 'new idempotency keys'}. It stops by itself when more than ${Math.round(maxErrors * 100)} % of a stage fail, and can be paused at any time.`
    case 'pause':
      return `No further event is begun until somebody goes on.${begun}`
    case 'resume':
      return state === 'stopped'
        ? 'It had stopped because too many failed. Go on only when the cause is repaired; what has failed is not repeated by this: retry it.'
        : `It goes on where it was: ${count(counts.left)} are left.`
    case 'cancel':
      return state === 'planned'
        ? 'Nothing was sent, and nothing will be.'
        : `${count(counts.left)} are not begun any more, for good; a new replay can select them.${begun}`
  }
}

/** What to know before it starts. */
export function Warnings({ replay }: { readonly replay: Replay }) {
  return warningsOf(replay).map((warning) => (
    <p key={warning} className="note" data-tone="retry">
      <Sign name="ask" />
      {warning.charAt(0).toUpperCase() + warning.slice(1)}.
    </p>
  ))
}

import type { ReactNode } from 'react'
import type { SignName } from './sign.tsx'
import { Sign } from './sign.tsx'
import { Time } from './time.tsx'

export type Tone = 'ok' | 'run' | 'retry' | 'wait' | 'park' | 'undo' | 'rest'

interface Look {
  readonly word: string
  readonly sign: SignName
  readonly tone: Tone
}

const runs: Readonly<Record<string, Look>> = {
  pending: { word: 'Pending', sign: 'pending', tone: 'rest' },
  waiting: { word: 'Waiting', sign: 'wait', tone: 'wait' },
  running: { word: 'Running', sign: 'run', tone: 'run' },
  retrying: { word: 'Retrying', sign: 'retry', tone: 'retry' },
  succeeded: { word: 'Succeeded', sign: 'ok', tone: 'ok' },
  parked: { word: 'Parked', sign: 'park', tone: 'park' },
  unknown: { word: 'Outcome unknown', sign: 'ask', tone: 'park' },
  skipped: { word: 'Skipped', sign: 'skip', tone: 'rest' },
  superseded: { word: 'Superseded', sign: 'superseded', tone: 'rest' },
  compensated: { word: 'Compensated', sign: 'undo', tone: 'undo' },
}

const systems: Readonly<Record<string, Look>> = {
  connected: { word: 'Connected', sign: 'connected', tone: 'ok' },
  closed: { word: 'Connected', sign: 'connected', tone: 'ok' },
  'cut-off': { word: 'Cut off', sign: 'cutOff', tone: 'park' },
  open: { word: 'Cut off', sign: 'cutOff', tone: 'park' },
  trying: { word: 'Trying', sign: 'trying', tone: 'retry' },
  probing: { word: 'Trying', sign: 'trying', tone: 'retry' },
  slowed: { word: 'Slowed', sign: 'slowed', tone: 'retry' },
  throttled: { word: 'Slowed', sign: 'slowed', tone: 'retry' },
  paused: { word: 'Paused', sign: 'paused', tone: 'rest' },
  maintenance: { word: 'Maintenance', sign: 'paused', tone: 'rest' },
}

const problems: Readonly<Record<string, Look>> = {
  'needs-person': { word: 'Needs a person', sign: 'park', tone: 'park' },
  tries: { word: 'Tries', sign: 'retry', tone: 'retry' },
  acknowledged: { word: 'Acknowledged', sign: 'wait', tone: 'wait' },
  ignored: { word: 'Ignored', sign: 'skip', tone: 'rest' },
  resolved: { word: 'Resolved', sign: 'ok', tone: 'ok' },
}

const replays: Readonly<Record<string, Look>> = {
  planned: { word: 'Planned', sign: 'pending', tone: 'rest' },
  running: { word: 'Running', sign: 'run', tone: 'run' },
  paused: { word: 'Paused', sign: 'paused', tone: 'rest' },
  stopped: { word: 'Stopped', sign: 'park', tone: 'park' },
  cancelled: { word: 'Cancelled', sign: 'skip', tone: 'rest' },
  done: { word: 'Done', sign: 'ok', tone: 'ok' },
}

const replayed: Readonly<Record<string, Look>> = {
  left: { word: 'Not begun', sign: 'pending', tone: 'rest' },
  fed: { word: 'Running', sign: 'run', tone: 'run' },
  held: { word: 'Waiting', sign: 'wait', tone: 'wait' },
  succeeded: { word: 'Succeeded', sign: 'ok', tone: 'ok' },
  failed: { word: 'Failed', sign: 'park', tone: 'park' },
  ended: { word: 'Ended', sign: 'skip', tone: 'rest' },
  open: { word: 'Passed over', sign: 'skip', tone: 'rest' },
  gone: { word: 'No longer kept', sign: 'skip', tone: 'rest' },
}

/** Parts of the engine: processes, lane groups, queues, and what is awaited. */
const engine: Readonly<Record<string, Look>> = {
  live: { word: 'Live', sign: 'ok', tone: 'ok' },
  draining: { word: 'Hands over', sign: 'retry', tone: 'retry' },
  late: { word: 'Late', sign: 'ask', tone: 'park' },
  dead: { word: 'Ended unexpectedly', sign: 'skip', tone: 'rest' },
  runs: { word: 'Runs', sign: 'ok', tone: 'ok' },
  resizing: { word: 'Is divided anew', sign: 'retry', tone: 'retry' },
  unowned: { word: 'Nobody runs it', sign: 'park', tone: 'park' },
  paused: { word: 'Paused', sign: 'paused', tone: 'rest' },
  'in-use': { word: 'In use', sign: 'ok', tone: 'ok' },
  'left-over': { word: 'Left over', sign: 'ask', tone: 'rest' },
  rejected: { word: 'Set aside', sign: 'park', tone: 'park' },
  open: { word: 'Awaited', sign: 'wait', tone: 'wait' },
  overdue: { word: 'Overdue', sign: 'park', tone: 'park' },
}

const vocabulary = { run: runs, system: systems, problem: problems, replay: replays, replayed, engine }
type Kind = keyof typeof vocabulary

const unheard: Look = { word: 'Unknown', sign: 'ask', tone: 'rest' }

/** How a run, a system, a problem or a part of the engine is shown; nothing else maps states to words and colours. */
export function lookOf(kind: Kind, state: string): Look {
  return vocabulary[kind][state] ?? { ...unheard, word: state }
}

interface StateProps {
  readonly kind?: Kind
  readonly of: string
  /** When it goes on, for what is retried or waits. */
  readonly at?: string | null | undefined
  readonly pill?: boolean
  /** In the place of the vocabulary's word. */
  readonly children?: ReactNode
}

/** Sign and word of a state; colour repeats what they say. */
export function State({ kind = 'run', of, at, pill = false, children }: StateProps) {
  const { word, sign, tone } = lookOf(kind, of)
  return (
    <span className={pill ? 'state pill' : 'state'} data-tone={tone}>
      <Sign name={sign} />
      {children ?? word}
      {at && (
        <span className="sub">
          <Time at={at} clock />
        </span>
      )}
    </span>
  )
}

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

const unheard: Look = { word: 'Unknown', sign: 'ask', tone: 'rest' }

/** How a run, a system or a problem is shown; nothing else maps states to words and colours. */
export function lookOf(kind: 'run' | 'system' | 'problem', state: string): Look {
  const words = { run: runs, system: systems, problem: problems }[kind]
  return words[state] ?? { ...unheard, word: state }
}

interface StateProps {
  readonly kind?: 'run' | 'system' | 'problem'
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

import type { Answer } from '../../api.ts'
import { duration } from '../../parts/time.tsx'
import type { SignName } from '../../parts/sign.tsx'
import type { Tone } from '../../parts/state.tsx'
import { lookOf } from '../../parts/state.tsx'
import { pathTo } from '../../parts/words.tsx'

export type ObjectDetail = Answer<'getObject'>
export type Entry = ObjectDetail['story'][number]
export type Run = NonNullable<Entry['run']>

/** How an entry is shown, on the axis and in the list of a phone. */
export interface Shown {
  readonly tone: Tone
  readonly sign: SignName
  readonly label: string
  /** Right of it: how long, which status. */
  readonly right: string
  readonly to: string
  /** Needs a person: stands out. */
  readonly hot: boolean
}

/** `flow/seq`, with the generation of a replay. */
export function runName({ flow, seq, generation }: Run): string {
  return generation === 0 ? `${flow}/${seq}` : `${flow}/${seq}/${generation}`
}

export function runPath(run: Run): string {
  return pathTo('run', runName(run))
}

/** The state of a step in the words of runs, which have the signs. */
export function stepLook(state: string) {
  const as: Readonly<Record<string, string>> = {
    done: 'succeeded',
    failed: 'parked',
    'undo-failed': 'parked',
    undoing: 'retrying',
    undone: 'compensated',
    kept: 'skipped',
  }
  return lookOf('run', as[state] ?? state)
}

/** Sign, words and place of what happened; acts of people are shown in their own way. */
export function shownOf(entry: Exclude<Entry, { kind: 'act' }>): Shown {
  switch (entry.kind) {
    case 'event':
      return {
        tone: 'rest',
        sign: 'connected',
        label: entry.type,
        right: entry.echoOf ? 'echo' : '',
        to: pathTo('event', String(entry.seq)),
        hot: false,
      }
    case 'attempt':
      return attempt(entry)
    case 'step': {
      const { sign, tone, word } = stepLook(entry.state)
      const [given] = entry.ids
      const done = entry.state === 'done'
      return {
        sign,
        tone,
        label: given ? given.external : done ? `${entry.step ?? ''} done` : `${word} ${entry.step ?? ''}`,
        right: entry.ms === null ? '' : duration(entry.ms),
        to: pathOf(entry),
        hot: false,
      }
    }
    case 'run': {
      const { sign, tone, word } = lookOf('run', entry.state)
      return { sign, tone, label: word, right: '', to: pathOf(entry), hot: entry.state === 'parked' }
    }
  }
}

function attempt(entry: Extract<Entry, { kind: 'attempt' }>): Shown {
  const { final, status, code, message, ms, outcome, phase } = entry
  const what = phase === 'send' ? '' : `${phase} `
  const name = status !== null && status > 0 ? String(status) : (code ?? outcome)
  const to = `${pathOf(entry)}?step=${encodeURIComponent(entry.step ?? '')}&attempt=${entry.number}`
  if (outcome === 'absent')
    return {
      tone: 'rest',
      sign: 'pending',
      label: `${what}nothing there`,
      right: duration(ms),
      to,
      hot: false,
    }
  if (final)
    return { tone: 'park', sign: 'park', label: message ?? name, right: status ? name : '', to, hot: true }
  return {
    tone: 'retry',
    sign: 'retry',
    label: `${what}${name}, tried again`,
    right: duration(ms),
    to,
    hot: false,
  }
}

function pathOf({ run }: Entry): string {
  return run === null ? '/' : runPath(run)
}

/** What the wire of an entry says: which flow and step, and the number of a repeated try. */
export function wireLabel(entry: Entry): string {
  if (!entry.run) return ''
  const again = entry.kind === 'attempt' && entry.number > 1 ? ` · attempt ${entry.number}` : ''
  const replayed = entry.run.generation > 0 ? ` · replay ${entry.run.generation}` : ''
  return `${entry.run.flow}${entry.step === null ? '' : ` · ${entry.step}`}${again}${replayed}`
}

const verbs: Readonly<Record<string, string>> = {
  retry: 'tried again',
  skip: 'skipped',
  compensate: 'had undone',
  edit: 'edited',
  result: 'supplied the result of',
  approve: 'approved',
  refuse: 'refused',
  acknowledge: 'took',
  note: 'wrote about',
  ignore: 'ignored',
  reopen: 'reopened',
  link: 'set',
  unlink: 'removed',
}

/** What somebody did, as the end of a sentence that begins with who. */
export function actWords({ verb, object }: Extract<Entry, { kind: 'act' }>): string {
  const what = object.startsWith('problem ') ? 'the problem' : object.replace(/ of run .*$/, '')
  return `${verbs[verb] ?? verb} ${what}`
}

/** A source's name without what all of them begin with: `urn:demo:shop` is the shop. */
export function shortName(system: string): string {
  return system.split(/[/:]/).findLast((part) => part !== '') ?? system
}

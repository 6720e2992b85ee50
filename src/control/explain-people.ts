import type { StatusSentence } from './schema/overview.ts'
import { capital, count, link, say } from './sentence.ts'
import { told } from './status-sentence.ts'

/** Runs that need a person, by cause. */
export interface ParkedCause {
  /** The problem; null: it has none. */
  readonly fingerprint: string | null
  /** In words, without what differs from run to run. */
  readonly title: string
  readonly runs: number
  /** What people call their objects, in the singular. */
  readonly noun: string
  /** The run, when it is one. */
  readonly only: { readonly id: string; readonly key: string | null; readonly message: string | null } | null
}

/** What decides what needs a person. */
export interface PeopleFacts {
  readonly maxCounted: number
  /** The causes with the most runs; those that people ignore are left out. */
  readonly causes: readonly ParkedCause[]
  /** All parked runs, those of the causes included. */
  readonly parked: number
  readonly outbox: { readonly rejectedCount: number }
}

/** A message longer than this is cut. */
const longest = 160

/** What needs a person, in words: cause by cause up to `mostNamed`, then the number of the others. Pure. */
export function explainPeople(facts: PeopleFacts, mostNamed: number): StatusSentence[] {
  const { causes, parked, maxCounted, outbox } = facts
  const named = causes.slice(0, mostNamed)
  const left = parked - named.reduce((sum, { runs }) => sum + runs, 0)
  const needs = (many: number, what: string) =>
    say`${many >= maxCounted ? 'At least ' : ''}${count(many, what)} ${many === 1 ? 'needs' : 'need'} a person`
  return [
    ...named.map(causeSentence),
    ...(left > 0 ? [told('park', 'run', needs(left, named.length > 0 ? 'more run' : 'run'))] : []),
    ...(outbox.rejectedCount > 0 ? [told('park', 'outbox', needs(outbox.rejectedCount, 'outbox row'))] : []),
  ]
}

function causeSentence({ fingerprint, title, runs, noun, only }: ParkedCause): StatusSentence {
  if (only) {
    const name = only.key === null ? `Run ${only.id}` : `${capital(noun)} ${only.key}`
    const why = shortened(only.message ?? title)
    return {
      ...told('park', 'run', say`${link('run', only.id, name)} needs a person: ${why}`),
      act: { verb: 'open', to: 'run', id: only.id, text: 'Open the run' },
    }
  }
  const things = count(runs, noun)
  const subject = fingerprint === null ? say`${things}` : say`${link('problem', fingerprint, things)}`
  return {
    ...told('park', 'run', say`${subject} need a person: ${shortened(title)}`),
    act:
      fingerprint === null
        ? null
        : { verb: 'open', to: 'problem', id: fingerprint, text: 'Open the problem' },
  }
}

/** On one line, without a full stop: the sentence brings its own. */
function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim().replace(/\.$/, '')
  return line.length > longest ? `${line.slice(0, longest - 1).trimEnd()}…` : line
}

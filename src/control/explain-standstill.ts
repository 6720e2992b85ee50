import type { Sentence } from './schema/common.ts'
import type { StatusSentence } from './schema/overview.ts'
import type { System } from './schema/system.ts'
import { capital, count, link, say, time } from './sentence.ts'

/** What is said of a system that is not called, or not as usual. */
export type StandingFacts = Pick<
  System,
  'name' | 'label' | 'standing' | 'reason' | 'changedAt' | 'until' | 'waiting'
>

const tones = {
  connected: 'ok',
  'cut-off': 'park',
  trying: 'park',
  slowed: 'retry',
  paused: 'rest',
  maintenance: 'rest',
} as const

/** Since when a system is not called, why, what waits for it, and until when: with the act that helps. Pure. */
export function explainStandstill(system: StandingFacts): StatusSentence {
  const { name, label, standing } = system
  const act = { to: 'system', id: name } as const
  return {
    tone: tones[standing],
    about: 'system',
    standing,
    sentence: sentenceOf(system),
    act:
      standing === 'paused'
        ? { ...act, verb: 'resume', text: `Resume ${label}` }
        : standing === 'cut-off' || standing === 'trying'
          ? { ...act, verb: 'test', text: 'Test connection' }
          : { ...act, verb: 'open', text: `Open ${label}` },
  }
}

function sentenceOf(system: StandingFacts): Sentence {
  const { name, label, standing, changedAt, until } = system
  const begins = capital(label)
  const wait = waits(system)
  const next = until === null ? '' : say`, next try ${time(until)}`
  switch (standing) {
    case 'cut-off':
    case 'trying': {
      const problem = link('problem', `system:${name}`, `${begins} ${faultOf(system)}`)
      const trying = standing === 'trying' ? ', being tried now' : next
      return say`${problem} since ${time(changedAt)}: ${wait}${trying}`
    }
    case 'paused':
      return say`${link('system', name, begins)} is paused since ${time(changedAt)}, until somebody resumes it: ${wait}`
    case 'maintenance':
      return say`${link('system', name, begins)} is under maintenance until ${time(until ?? changedAt)}: ${wait}`
    case 'slowed':
      return say`${link('system', name, begins)} asked busbar to wait until ${time(until ?? changedAt)}: ${wait}`
    default:
      return say`${link('system', name, begins)} is connected`
  }
}

/** The reason without the name that it begins with, and without details. */
function faultOf({ name, reason }: StandingFacts): string {
  const [first = ''] = (reason ?? '').split(': ')
  const words = first.startsWith(`${name} `) ? first.slice(name.length + 1) : first
  return words === '' ? 'does not answer' : words
}

function waits({ name, waiting }: StandingFacts): Sentence {
  if (waiting.count === 0) return say`nothing waits for it`
  const things = count(waiting.count, waiting.noun)
  const about = waiting.exact ? '' : 'about '
  return say`${about}${link('problem', `system:${name}`, things)} ${waiting.count === 1 ? 'waits' : 'wait'}`
}

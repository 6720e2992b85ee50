import type { Sentence } from './schema/common.ts'
import type { AlertKind } from '../define/alerts.ts'

/** How a problem stands, as far as people are told. */
export type AlertStanding = 'open' | 'person' | 'resolved'

/** A change that people are told, as it is stored with the message: what is sent later says what was true then. */
export interface AlertChange {
  readonly kind: AlertKind
  readonly problem: string
  readonly system: string
  readonly code: string
  readonly title: string
  /** What is true and what happens next: the sentence that the console shows, too. */
  readonly sentence: Sentence
}

/** A message as it is stored: the same for every channel. */
export interface AlertMessage {
  /** Identifies it, also when it comes twice. */
  readonly id: string
  readonly hub: string
  /** RFC 3339. */
  readonly at: string
  readonly test: boolean
  readonly changes: readonly AlertChange[]
}

/** What is told when a problem stands otherwise than was told last; undefined where nobody need know. Pure. */
export function kindOf(change: {
  readonly problem: string
  readonly told: AlertStanding | null
  readonly standing: AlertStanding | 'quiet'
}): AlertKind | undefined {
  const { problem, told, standing } = change
  const isSystem = problem.startsWith('system:')
  if (standing === 'quiet' || standing === told) return undefined
  if (standing === 'resolved') return told === null ? undefined : isSystem ? 'connected' : 'resolved'
  if (isSystem) return told === 'open' || told === 'person' ? undefined : 'cut-off'
  if (told === 'person') return undefined // somebody has begun to act
  if (told === 'resolved') return 'back'
  return standing === 'person' ? 'person' : 'new'
}

/** The change in a few words: the subject of a mail, the first line of a message. */
export function headline({ kind, system, title }: AlertChange): string {
  switch (kind) {
    case 'new':
      return `New problem at ${system}: ${title}`
    case 'person':
      return `A person is needed at ${system}: ${title}`
    case 'resolved':
      return `Over at ${system}: ${title}`
    case 'back':
      return `It is back at ${system}: ${title}`
    case 'cut-off':
      return `${system} is cut off`
    case 'connected':
      return `${system} is connected again`
  }
}

/** One line that says it all, or how much there is to say. */
export function subjectOf({ hub, test, changes }: Pick<AlertMessage, 'hub' | 'test' | 'changes'>): string {
  if (test) return `[${hub}] A test: alerts of busbar arrive here`
  const [first] = changes
  if (changes.length === 1 && first) return `[${hub}] ${headline(first)}`
  const persons = changes.filter(({ kind }) => kind === 'person').length
  return `[${hub}] ${changes.length} problems have changed${persons > 0 ? `, ${persons} need a person` : ''}`
}

import type { GivenLink } from '../define/link.ts'
import { givenLinks } from '../define/link.ts'
import type { CallStep, StepFacts } from '../define/step.ts'
import type { BusEvent } from '../define/event.ts'
import type { LinkRow } from '../journal/port.ts'
import type { UndoneLinks } from '../journal/port-links.ts'
import { storable } from './outcome.ts'
import type { StepRun } from './run.ts'

/** The links that a result gives, or why they cannot be made: the effect has happened all the same. */
export type Linked = { readonly links: readonly GivenLink[] } | { readonly fault: string }

/** What a step's `links` makes of its result; undefined where it declares none. Never throws. */
export function linksOf(
  { links }: CallStep,
  result: unknown,
  facts: { readonly event: BusEvent; readonly results: object },
): Linked | undefined {
  if (!links) return undefined
  try {
    const answer: unknown = links(result as never, facts as StepFacts<never, never>)
    return { links: givenLinks(answer, facts.event.key) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { fault: storable(`its effect has happened, but its links cannot be stored: ${message}`) }
  }
}

/** The links of a step as they are written with what it came to. */
export function linkRows(stepRun: StepRun, links: readonly GivenLink[]): LinkRow[] {
  const system = stepRun.step.gate?.name ?? ''
  return links.map((link) => ({ ...addressOf(stepRun), ...link, system }))
}

/** What is written about links when a step has come to something: given when it is done, taken back when it is undone. */
export function linkChanges(stepRun: StepRun): readonly (LinkRow | UndoneLinks)[] {
  const { step, phase, given } = stepRun
  if (phase === 'done') return Array.isArray(given) ? linkRows(stepRun, given) : []
  const linked = step.definition.kind === 'call' && step.definition.links !== undefined
  return phase === 'undone' && linked ? [{ ...addressOf(stepRun), undone: true }] : []
}

function addressOf({ run, step }: StepRun) {
  return { flow: run.flow.id, seq: run.event.seq, gen: run.gen, step: step.definition.name }
}

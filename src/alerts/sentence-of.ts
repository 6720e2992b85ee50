import type { Problem } from '../control/schema/problem.ts'
import type { Sentence } from '../control/schema/common.ts'
import { count, say, time } from '../control/sentence.ts'

/** What is true of a problem now. */
export function sentenceOf({ title, open, parked, firstSeen }: Problem): Sentence {
  const runs = open === 0 ? say`` : say`: ${count(open, 'run')}, of which ${parked} need a person`
  return say`${title}, since ${time(firstSeen)}${runs}`
}

import type { Sentence } from './schema/common.ts'
import type { StatusSentence } from './schema/overview.ts'

/** A sentence of the status without an act. */
export function told(
  tone: StatusSentence['tone'],
  about: StatusSentence['about'],
  sentence: Sentence,
): StatusSentence {
  return { tone, about, standing: null, sentence, act: null }
}

import type { Part } from './words.tsx'
import { useAct } from './ask.tsx'
import { clock } from './time.tsx'
import { toast } from './toast.tsx'

/** A test call of a system; says what came of it. */
export function useTestCall() {
  return useAct('testSystem', {
    done: ({ outcome, sentence }) =>
      toast({ tone: outcome === 'answered' ? 'ok' : 'park', title: `${wordsOf(sentence)}.` }),
  })
}

/** Resumes a system or a lane group. */
export function useResume(): (what: { readonly to: string; readonly id: string }) => void {
  const system = useAct('resumeSystem', {
    done: ({ name }) => toast({ tone: 'ok', title: `${name} is called again` }),
  })
  const group = useAct('resumeGroup', { done: ({ name }) => toast({ tone: 'ok', title: `${name} goes on` }) })
  return ({ to, id }) => (to === 'group' ? group : system).mutate({ name: id })
}

/** A sentence of the control API as plain text. */
export function wordsOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.kind === 'time' ? clock(part.at) : part.text)).join('')
}

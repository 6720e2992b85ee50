import type { Answer } from './api.ts'
import type { Need } from './may.ts'
import { whyNot } from './may.ts'
import { useAsk } from './parts/ask.tsx'

/** Who is here; undefined until that is known. */
export function useMe(): Answer<'me'> | undefined {
  return useAsk('me', 'me').data
}

/** Why the one who is here may not do what asks for this, as a sentence; undefined: it may. Until it is known who that is, it waits. */
export function useMayNot(need: Need): string | undefined {
  const me = useMe()
  return me ? whyNot(me, need) : 'It is not known yet who you are.'
}

type Flow = Answer<'listFlows'>['items'][number]

/**
 * The systems that flows call, for what is about whole flows. Asked for only by those who are limited to systems.
 *
 * @example const touches = useSystemsOf()(({ group }) => group === 'invoices')
 */
export function useSystemsOf(): (isMeant: (flow: Flow) => boolean) => readonly string[] {
  const isLimited = (useMe()?.systems ?? null) !== null
  const flows = useAsk('groups', 'listFlows', undefined, { enabled: isLimited }).data?.items ?? []
  return (isMeant) => systemsIn(flows.filter(isMeant).flatMap(({ steps }) => steps))
}

/** The systems that steps call, each once. */
export function systemsIn(steps: readonly { readonly system: string | null }[]): readonly string[] {
  return [...new Set(steps.flatMap(({ system }) => system ?? []))]
}

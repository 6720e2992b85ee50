import type { Answer } from './api.ts'
import { useAsk } from './parts/ask.tsx'

/** Who is here; undefined until that is known. */
export function useMe(): Answer<'me'> | undefined {
  return useAsk('me', 'me').data
}

/** Why the one who is here may not do what needs this right, as a sentence; undefined: it may. */
export function useMayNot(scope: 'read' | 'operate' | 'admin'): string | undefined {
  const me = useMe()
  if (!me || me.scopes.includes(scope)) return undefined
  return scope === 'admin'
    ? 'Only an admin may change this.'
    : `As ${me.role ?? 'one who reads'} you can look at everything, and not act.`
}

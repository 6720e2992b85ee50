import type { Me } from '../../src/control/schema/access.ts'

/** The systems that an act is about; without any it is for those who are not limited to some. `chosen`: its dialog asks. */
export type Touches = readonly string[] | 'chosen'

/** What an act asks of the one who does it. */
export interface Need {
  /** Default `operate`. */
  readonly needs?: 'read' | 'operate' | 'admin' | undefined
  /** Default: no one system. */
  readonly touches?: Touches | undefined
}

/** Why somebody may not do it, as a sentence; undefined: may. As the control API judges it, told before it is tried. */
export function whyNot(
  { scopes, role, systems }: Pick<Me, 'scopes' | 'role' | 'systems'>,
  { needs = 'operate', touches = [] }: Need,
): string | undefined {
  if (!scopes.includes(needs))
    return needs === 'admin'
      ? 'Only an admin may change this.'
      : `As ${role ?? 'one who reads'} you can look at everything, and not act.`
  if (systems === null || needs !== 'operate' || touches === 'chosen') return undefined
  const only = `You may act on ${systems.join(', ')} only`
  if (touches.length === 0) return `${only}, and this is not about one system.`
  const others = touches.filter((system) => !systems.includes(system))
  return others.length === 0 ? undefined : `${only}; this is about ${others.join(', ')}.`
}

import type { Shape, Surroundings } from './contestant.ts'

/** What a process of busbar is told. */
export interface HubSettings extends Surroundings, Shape {
  readonly journal: 'postgres' | 'embedded'
  readonly transport: 'log' | 'rabbitmq'
  /** Default: all. */
  readonly roles?: readonly ('ingress' | 'relay' | 'worker')[]
}

/** The names of the flows to the targets. */
export function flowNames({ kind, flows = 3 }: Shape): string[] {
  return kind === 'process' ? ['process'] : Array.from({ length: flows }, (_, index) => `flow-${index + 1}`)
}

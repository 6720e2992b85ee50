import type { Answer } from '../../api.ts'
import { readable } from '../../parts/exchange-text.ts'

export type RunDetail = Answer<'getRun'>
export type Step = RunDetail['steps'][number]
export type Attempt = RunDetail['history'][number]

/** Names a run: as the control API takes it. */
export interface RunRef {
  readonly flow: string
  readonly seq: number
  readonly generation: number
}

/** A run as its address names it: `flow/seq` or `flow/seq/generation`; flows may have slashes. Undefined when it is none. */
export function parseRun(path: string): RunRef | undefined {
  const [, flow, seq, generation = '0'] = /^(.+?)\/(\d{1,15})(?:\/(\d{1,5}))?$/.exec(path) ?? []
  return flow === undefined || seq === undefined
    ? undefined
    : { flow, seq: Number(seq), generation: Number(generation) }
}

/** The step that is of most interest: one that failed, else one that is under way, else the last that was done. */
export function stepOfInterest(steps: readonly Step[]): Step | undefined {
  const order = ['failed', 'undo-failed', 'undoing', 'retrying', 'running', 'waiting', 'done', 'pending']
  return [...steps].sort((one, other) => rank(order, one) - rank(order, other))[0]
}

function rank(order: readonly string[], { state }: Step): number {
  const at = order.indexOf(state)
  return at < 0 ? order.length : at
}

/** Without what differs from one sending to the next for no reason that matters. */
export function comparable(text: string): string {
  return readable(text)
    .split('\n')
    .filter((line) => !/^(traceparent|tracestate|content-length): /.test(line))
    .join('\n')
}

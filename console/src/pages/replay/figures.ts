import type { Answer } from '../../api.ts'
import { count, counted } from '../../parts/measure.tsx'

export type Replay = Answer<'listReplays'>['items'][number]

/** How many events are through: their runs have come to an end, have failed, or were passed over. */
export function through({ counts }: Pick<Replay, 'counts'>): number {
  return counts.succeeded + counts.failed + counts.ended + counts.passedOver
}

/** How far it is, in words. */
export function progressWords(replay: Replay): string {
  const { succeeded, failed, recovered, ended, passedOver } = replay.counts
  const parts = [
    `${count(succeeded)} succeeded`,
    ...(failed > 0
      ? [
          `${count(failed)} failed${recovered > 0 ? `, ${count(recovered)} of them have succeeded since` : ''}`,
        ]
      : []),
    ...(ended > 0 ? [`${count(ended)} skipped or superseded`] : []),
    ...(passedOver > 0 ? [`${count(passedOver)} passed over`] : []),
  ]
  return parts.join(', ')
}

/** One stage of the ramp. */
export interface Stage {
  readonly size: number
  /** How many of it are through. */
  readonly done: number
  readonly state: 'done' | 'running' | 'stopped' | 'next'
  readonly isLast: boolean
}

/** The stages of a replay: its ramp as far as it goes, then the rest. */
export function stagesOf(replay: Replay): Stage[] {
  const sizes: number[] = []
  let before = 0
  for (const size of [...replay.ramp, Number.POSITIVE_INFINITY]) {
    if (before >= replay.total) break
    const own = Math.min(size, replay.total - before)
    sizes.push(own)
    before += own
  }
  const all = through(replay)
  let start = 0
  return sizes.map((size, index) => {
    const done = Math.min(size, Math.max(0, all - start))
    start += size
    const isCurrent = replay.state !== 'planned' && index + 1 === replay.stage
    return {
      size,
      done,
      state: stageState(replay, { isCurrent, isDone: done === size }),
      isLast: index === sizes.length - 1,
    }
  })
}

function stageState(
  { state }: Replay,
  { isCurrent, isDone }: { readonly isCurrent: boolean; readonly isDone: boolean },
): Stage['state'] {
  if (isCurrent && state === 'stopped') return 'stopped'
  if (isDone) return 'done'
  return isCurrent && (state === 'running' || state === 'paused') ? 'running' : 'next'
}

/** How soon it may be through at its pace; null where nobody can say. */
export function leftMs({ state, rate, counts }: Replay): number | null {
  return state === 'running' && counts.left > 0 ? (counts.left / rate) * 1_000 : null
}

/** Its selection as names and values. */
export function selectionFacts({ selection }: Replay): (readonly [string, string])[] {
  if (selection['all'] === true) return [['Events', 'all that the flow has run']]
  const names: Readonly<Record<string, string>> = {
    from: 'Accepted since',
    to: 'Accepted before',
    key: 'Key',
    types: 'Types',
    states: 'Latest run',
  }
  return Object.entries(selection).map(([name, value]) => [
    names[name] ?? name,
    Array.isArray(value) ? value.join(', ') : String(value),
  ])
}

/** `1, then 10, then the rest` */
export function rampWords({ ramp, total }: Pick<Replay, 'ramp' | 'total'>): string {
  const reached = ramp.filter((_, index) => ramp.slice(0, index).reduce((sum, each) => sum + each, 0) < total)
  return [...reached.map(count), 'the rest'].join(', then ')
}

export const eventsWord = (number: number) => counted(number, 'event')

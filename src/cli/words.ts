import type { RunStateWord, Sentence } from '../control/schema/common.ts'
import { count, plain } from '../control/sentence.ts'
export { span } from '../control/sentence.ts'
import type { Config } from '../define/config.ts'
import type { Cell } from './table.ts'
import type { Style } from './terminal.ts'

const stateStyles: Partial<Record<RunStateWord, Style>> = {
  parked: 'red',
  retrying: 'yellow',
  waiting: 'yellow',
  running: 'blue',
  succeeded: 'green',
  pending: 'dim',
}

/** A run's state, coloured as everywhere. */
export function stateCell(state: RunStateWord): Cell {
  const style = stateStyles[state]
  return style ? { text: state, style } : { text: state }
}

/** A moment as people read it: `14:03:07` today, else with its date; in the local time zone. */
export function moment(at: string | null, now = new Date()): string {
  if (at === null) return ''
  const date = new Date(at)
  const pad = (number: number) => String(number).padStart(2, '0')
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  if (date.toDateString() === now.toDateString()) return time
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`
}

/** A sentence of the control API with its moments in local time. */
export function words(sentence: Sentence): string {
  return plain(sentence, (at) => moment(at))
}

/** `12,345` */
export function number(value: number): string {
  return value.toLocaleString('en')
}

/** What a configuration holds: `1 flow, 2 systems, no sources`. */
export function partsOf({ flows, systems, sources }: Config): string {
  return [count(flows.length, 'flow'), count(systems.size, 'system'), count(sources.length, 'source')].join(
    ', ',
  )
}

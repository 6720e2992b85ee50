import { BusbarError } from '../errors.ts'

/** A line of a file of events, with its number from 1. */
export interface EventLine {
  readonly number: number
  readonly text: string
}

/** Lines that go in one request. */
const batch = { lines: 100, bytes: 512 * 1_024 }

/** The events of a file, one in JSON a line, blank lines left out. Throws `config.invalid` at the first line that is not JSON. */
export function eventLines(text: string): EventLine[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    const number = index + 1
    try {
      JSON.parse(line)
    } catch (error) {
      const why = error instanceof Error ? error.message : ''
      throw new BusbarError('config.invalid', `line ${number} is not JSON: ${why}; nothing was published`)
    }
    return [{ number, text: line }]
  })
}

/** The lines in order, in batches that are bounded in number and in bytes; a line that is larger is alone. */
export function batchesOf(lines: readonly EventLine[]): EventLine[][] {
  const batches: EventLine[][] = []
  let bytes = 0
  for (const line of lines) {
    const size = Buffer.byteLength(line.text)
    const last = batches.at(-1)
    if (last && last.length < batch.lines && bytes + size <= batch.bytes) last.push(line)
    else batches.push([line])
    bytes = batches.at(-1)?.length === 1 ? size : bytes + size
  }
  return batches
}

import { BusbarError } from '../../errors.ts'
import type { Context } from '../context.ts'
import { batchesOf, eventLines } from '../event-file.ts'
import type { EventLine } from '../event-file.ts'
import type { Answer, NamedFault } from '../post-events.ts'
import { isUnknown, postEvents } from '../post-events.ts'
import { safe } from '../terminal.ts'
import { number } from '../words.ts'

/**
 * Publishes a file of events, one a line, in batches; stops at the first batch of which anything is refused, and says
 * which lines. Publishing the file again is safe: what was stored is a duplicate then.
 */
export async function publishLines(context: Context, text: string): Promise<void> {
  const lines = eventLines(text)
  const total = { events: lines.length, stored: 0, duplicates: 0 }
  for (const batch of batchesOf(lines)) {
    for (const { duplicate } of await publishBatch(context, batch))
      total[duplicate ? 'duplicates' : 'stored']++
    progress(context, total.stored + total.duplicates, lines.length)
  }
  context.show(
    total,
    ({ stored, duplicates }) => `${number(stored)} stored, ${number(duplicates)} were in the log already`,
  )
}

async function publishBatch(context: Context, batch: readonly EventLine[]): Promise<Answer[]> {
  const body = `[${batch.map(({ text }) => text).join(',')}]`
  try {
    return await postEvents<Answer[]>(context, { body, type: 'application/cloudevents-batch+json' })
  } catch (error) {
    if (!(error instanceof BusbarError)) throw error
    const again = isUnknown(error) ? '; publish the file again, what was stored is not stored twice' : ''
    const head = `lines ${batch[0]?.number} to ${batch.at(-1)?.number}: ${error.message}${again}`
    const named = isUnknown(error) ? [] : refusedLines(error, batch)
    throw new BusbarError(error.code, [head, ...named].join('\n  '), { cause: error })
  }
}

/** What busbar says of single events, by the lines of the file. */
function refusedLines({ details }: BusbarError, batch: readonly EventLine[]): string[] {
  const faults = (details['faults'] ?? []) as readonly NamedFault[]
  const items = (details['items'] ?? []) as readonly { readonly error?: { readonly message: string } }[]
  return [
    ...faults.map(({ pointer, message }) => {
      const [, index, rest = ''] = /^\/(\d+)(.*)$/s.exec(pointer) ?? []
      const line = index === undefined ? undefined : batch[Number(index)]
      const place = line ? `line ${line.number}, ${rest || '/'}` : pointer || '/'
      return `${safe(place)}: ${safe(message)}`
    }),
    ...items.flatMap(({ error }, index) =>
      error ? [`line ${batch[index]?.number}: ${safe(error.message)}`] : [],
    ),
  ]
}

const width = 30

/** On a terminal, and for more than a moment's work only. */
function progress({ terminal }: Context, done: number, total: number): void {
  if (!Number.isFinite(terminal.width) || total <= 100) return
  const full = Math.round((done / total) * width)
  process.stderr.write(
    `\r${'━'.repeat(full)}${'─'.repeat(width - full)}  ${number(done)} of ${number(total)}${done === total ? '\n' : ''}`,
  )
}

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { refuseOptions } from '../options.ts'
import type { Answer, NamedFault } from '../post-events.ts'
import { isUnknown, postEvents } from '../post-events.ts'
import { safe } from '../terminal.ts'
import { publishLines } from './publish-file.ts'

interface PublishOptions {
  readonly id?: string
  readonly source: string
  readonly subject?: string
  readonly keyOf?: string
  readonly time?: string
  readonly file?: string
}

/** `publish`. */
export function addPublishCommand(program: Command, action: Action): void {
  program
    .command('publish [type] [data]')
    .description(
      'publish an event; its data is JSON, @file, or - for stdin. With --file: many, one CloudEvent a line',
    )
    .option('--id <id>', 'identity within the source; the same id again is a duplicate (default: a new one)')
    .option('--source <source>', 'who says so', 'urn:busbar:cli')
    .option('--subject <subject>', 'CloudEvents subject')
    .option(
      '--key-of <key>',
      'the business object, where the contract does not say (CloudEvents partitionkey)',
    )
    .option('--time <time>', 'when it happened, RFC 3339')
    .option('--file <file>', 'publish every line of this file (newline-delimited JSON); - for stdin')
    .action(action(publish))
}

async function publish(
  context: Context,
  type: string | undefined,
  data: string | undefined,
  options: PublishOptions,
): Promise<void> {
  const { file, source, ...attributes } = options
  if (file !== undefined) {
    refuseOptions(attributes, '--file: each line is a whole CloudEvent')
    if (type !== undefined)
      throw new BusbarError('config.invalid', 'with --file, type and data stand in the file, not beside it')
    return publishLines(context, file === '-' ? await readStdin() : await readNamed(file))
  }
  if (type === undefined || data === undefined)
    throw new BusbarError(
      'config.invalid',
      'write: busbar publish <type> <data>, such as busbar publish shop.order.placed \'{"number":"SO-1"}\'',
    )
  const { id = randomUUID(), subject, keyOf, time } = attributes
  const event = {
    specversion: '1.0',
    id,
    source,
    type,
    ...(subject !== undefined && { subject }),
    ...(keyOf !== undefined && { partitionkey: keyOf }),
    ...(time !== undefined && { time }),
  }
  // The data goes in as text, so that every digit arrives as it was written.
  const body = `${JSON.stringify(event).slice(0, -1)},"data":${await dataText(data)}}`
  const answer = await publishOne(context, id, body)
  context.show(answer, ({ seq, duplicate }) =>
    duplicate
      ? `${id} was in the log already, at place ${seq}`
      : `${id} is stored at place ${seq} in the log`,
  )
}

/** Every fault in words; where it is not known whether the event was stored, with the id that makes a repeat safe. */
async function publishOne(context: Context, id: string, body: string): Promise<Answer> {
  try {
    return await postEvents<Answer>(context, { body, type: 'application/cloudevents+json' })
  } catch (error) {
    if (!(error instanceof BusbarError)) throw error
    const faults = (error.details['faults'] ?? []) as readonly NamedFault[]
    const named = faults
      .map(({ pointer, message }) => `\n  ${safe(pointer || '/')}: ${safe(message)}`)
      .join('')
    const again = isUnknown(error) ? `; publish it again with --id ${safe(id)}` : ''
    throw new BusbarError(error.code, `${error.message}${again}${named}`, { cause: error })
  }
}

/** JSON text as an argument gives it: itself, `@file`, or `-` for stdin. Throws `config.invalid` when it is none. */
export async function dataText(given: string): Promise<string> {
  const text =
    given === '-' ? await readStdin() : given.startsWith('@') ? await readNamed(given.slice(1)) : given
  try {
    JSON.parse(text)
    return text
  } catch (error) {
    throw new BusbarError(
      'config.invalid',
      `the data is not JSON: ${error instanceof Error ? error.message : ''}`,
    )
  }
}

async function readNamed(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new BusbarError(
      'config.invalid',
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`,
    )
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

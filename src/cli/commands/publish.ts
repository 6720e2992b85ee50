import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { request } from 'undici'
import { BusbarError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Action, Context } from '../context.ts'
import { safe } from '../terminal.ts'
import { number } from '../words.ts'

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
  if (options.file !== undefined) return publishFile(context, options.file)
  if (type === undefined || data === undefined)
    throw new BusbarError(
      'config.invalid',
      'write: busbar publish <type> <data>, such as busbar publish shop.order.placed \'{"number":"SO-1"}\'',
    )
  const event = {
    specversion: '1.0',
    id: options.id ?? randomUUID(),
    source: options.source,
    type,
    ...(options.subject !== undefined && { subject: options.subject }),
    ...(options.keyOf !== undefined && { partitionkey: options.keyOf }),
    ...(options.time !== undefined && { time: options.time }),
  }
  // The data goes in as text, so that every digit arrives as it was written.
  const body = `${JSON.stringify(event).slice(0, -1)},"data":${await dataText(data)}}`
  const answer = await post<Answer>(context, { body, type: 'application/cloudevents+json' })
  context.show(answer, ({ id, seq, duplicate }) =>
    duplicate
      ? `${id} was in the log already, at place ${seq}`
      : `${id} is stored at place ${seq} in the log`,
  )
}

interface Answer {
  readonly id: string
  readonly seq: number
  readonly duplicate: boolean
}

async function dataText(given: string): Promise<string> {
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

const linesPerBatch = 100

/** Publishes line by line in batches; stops at the first batch that is refused and says at which line. */
async function publishFile(context: Context, file: string): Promise<void> {
  const text = file === '-' ? await readStdin() : await readNamed(file)
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const total = { events: lines.length, stored: 0, duplicates: 0 }
  for (let at = 0; at < lines.length; at += linesPerBatch) {
    const batch = lines.slice(at, at + linesPerBatch)
    const body = `[${batch.join(',')}]`
    const answers = await post<Answer[]>(context, { body, type: 'application/cloudevents-batch+json' }).catch(
      (error: unknown) => {
        if (!(error instanceof BusbarError)) throw error
        throw new BusbarError(error.code, `lines ${at + 1} to ${at + batch.length}: ${error.message}`)
      },
    )
    total.duplicates += answers.filter(({ duplicate }) => duplicate).length
    total.stored += answers.filter(({ duplicate }) => !duplicate).length
    progress(context, Math.min(at + linesPerBatch, lines.length), lines.length)
  }
  context.show(
    total,
    ({ stored, duplicates }) => `${number(stored)} stored, ${number(duplicates)} were in the log already`,
  )
}

/** On a terminal only. */
function progress({ terminal }: Context, done: number, total: number): void {
  if (!Number.isFinite(terminal.width) || total <= linesPerBatch) return
  const width = 30
  const full = Math.round((done / total) * width)
  process.stderr.write(
    `\r${'━'.repeat(full)}${'─'.repeat(width - full)}  ${number(done)} of ${number(total)}${done === total ? '\n' : ''}`,
  )
}

async function post<T>(context: Context, { body, type }: { body: string; type: string }): Promise<T> {
  const { url, key } = context.options
  const target = `${url.replace(/\/$/, '')}/events`
  let answer: Awaited<ReturnType<typeof request>>
  try {
    answer = await request(target, {
      method: 'POST',
      headers: { 'content-type': type, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      body,
    })
  } catch (error) {
    throw new BusbarError(
      'journal.unavailable',
      `no busbar answers at ${url}: start it with "busbar dev", or say where it is with --url`,
      {
        cause: error,
      },
    )
  }
  const value: unknown = await answer.body.json().catch(() => undefined)
  if (answer.statusCode < 300) return value as T
  throw refusal(value, answer.statusCode)
}

/** The problem document, every fault of it, in words. */
function refusal(value: unknown, status: number): BusbarError {
  const problem = value as
    { code?: ErrorCode; detail?: string; errors?: { pointer: string; message: string }[] } | undefined
  const faults = (problem?.errors ?? [])
    .map(({ pointer, message }) => `\n  ${safe(pointer || '/')}: ${safe(message)}`)
    .join('')
  return new BusbarError(
    problem?.code ?? 'request.malformed',
    `${problem?.detail ?? `busbar answered ${status}`}${faults}`,
  )
}

import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import type { EventSummary } from '../../control/schema/event.ts'
import type { Link } from '../../control/schema/link.ts'
import type { Run } from '../../control/schema/run.ts'
import { count, runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { Answer } from './answer.ts'
import { quotedData, words } from './answer.ts'
import { Limit, look } from './tool.ts'

const mostEvents = 20
const mostRuns = 50

/** Business objects and the events about them. */
export const objectTools = [
  look({
    name: 'find_object',
    title: 'The story of a business object',
    description:
      'The story of one business object (an order, an invoice, a customer), by its key such as SO-1042, or by its id in one system: every event about it, what each flow made of it, where it is stuck, why and until when, its ids in the systems.',
    input: z.strictObject({
      id: z.string().min(1).max(255).describe('Its key; or its id in the system that is named'),
      system: z.string().min(1).max(255).optional().describe('Look the id up as one of this system'),
    }),
    answer: findObject,
  }),
  look({
    name: 'list_events',
    title: 'Events in the log',
    description:
      'Events (business facts) in the log, newest first, with what each flow made of them; without their data. Give `before` the `next` of an answer to go on.',
    input: z.strictObject({
      key: z.string().max(255).optional().describe('About this business object'),
      type: z.string().max(255).optional(),
      source: z.string().max(255).optional(),
      before: z.number().int().nonnegative().optional().describe('Places in the log below this one'),
      limit: Limit,
    }),
    answer: listEvents,
  }),
  look({
    name: 'get_event',
    title: 'One event with its data',
    description: 'One event by its place in the log: its data, and what each flow made of it and why.',
    input: z.strictObject({ seq: z.number().int().nonnegative().describe('Its place in the log') }),
    answer: getEvent,
  }),
]

async function findObject(
  client: ControlClient,
  { id, system }: { id: string; system?: string | undefined },
): Promise<Answer> {
  const links = system === undefined ? [] : (await client.listLinks({ system, external: id })).items
  const key = system === undefined ? id : links[0]?.id
  if (key === undefined)
    throw new BusbarError(
      'request.not-found',
      `no object is known by the id ${id} in ${system}: look for its key`,
    )
  const [events, runs] = await Promise.all([
    client.listEvents({ key, limit: mostEvents }),
    client.listRuns({ key, limit: mostRuns }),
  ])
  if (events.items.length === 0)
    throw new BusbarError(
      'request.not-found',
      `no event is about ${key}: it may be an id in a system, then name the system`,
    )
  const open = runs.items.filter(isOpen)
  return {
    lines: [
      `${key}: ${events.next === null ? '' : 'the newest '}${count(events.items.length, 'event')}; ${open.length === 0 ? 'nothing of it is open' : `${count(open.length, 'run')} open`}`,
      ...links.map(
        ({ kind, id: own, system: where, external }) => `${kind} ${own} is ${external} in ${where}`,
      ),
      ...open.map((run) => `${runId(run)} is ${run.state}: ${words(run.why)}`),
      '',
      'oldest first:',
      ...events.items.toReversed().flatMap((event) => storyOf(event, runs.items)),
    ],
    data: {
      key,
      links: links.map(linkData),
      events: events.items,
      runs: runs.items.map(runData),
      next: events.next,
    },
  }
}

function storyOf(event: EventSummary, runs: readonly Run[]): string[] {
  const told = runs.filter(({ seq }) => seq === event.seq)
  const others = event.runs.filter(
    ({ flow, generation }) => !told.some((run) => run.flow === flow && run.generation === generation),
  )
  return [
    `${event.receivedAt} ${event.type} (place ${event.seq}, from ${event.source}, id ${event.id})`,
    ...told.map((run) => `  ${runId(run)}: ${run.state}; ${words(run.why)}`),
    ...others.map(
      ({ flow, generation, state }) => `  ${runId({ flow, seq: event.seq, generation })}: ${state}`,
    ),
  ]
}

const isOpen = ({ state }: Run) => ['waiting', 'retrying', 'running', 'parked'].includes(state)

function linkData({ kind, id, system, external }: Link) {
  return { kind, id, system, external }
}

/** A run in a list, as little as an agent needs. */
export function runData(run: Run) {
  const { state, key, type, system, code, problem, until } = run
  return { run: runId(run), state, key, type, system, code, problem, why: words(run.why), until }
}

interface Filter {
  readonly key?: string | undefined
  readonly type?: string | undefined
  readonly source?: string | undefined
  readonly before?: number | undefined
  readonly limit: number
}

async function listEvents(client: ControlClient, { limit, ...filter }: Filter): Promise<Answer> {
  const page = await client.listEvents({ ...given(filter), limit })
  const line = ({ seq, receivedAt, type, key, source, runs }: EventSummary) =>
    `${seq}  ${receivedAt}  ${type}  ${key ?? 'no key'}  from ${source}  ${runs.map(({ flow, state }) => `${flow} ${state}`).join(', ')}`
  const lines =
    page.items.length === 0
      ? ['no such events in the part of the log that was looked at']
      : page.items.map(line)
  return { lines: [...lines, ...more('before', page.next)], data: page }
}

/** What was given, without what was not. */
export function given<Filter extends object>(
  filter: Filter,
): { [Name in keyof Filter]: Exclude<Filter[Name], undefined> } {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as never
}

/** How to go on, where there is more. */
export function more(option: string, next: string | null): string[] {
  return next === null ? [] : [`there is more: ${option} ${next}`]
}

async function getEvent(client: ControlClient, { seq }: { seq: number }): Promise<Answer> {
  const event = await client.getEvent({ seq })
  return {
    lines: [
      `${event.type}, place ${event.seq} in the log, accepted ${event.receivedAt}; key ${event.key ?? 'none'}; source ${event.source}, id ${event.id}`,
      ...event.runs.map(
        ({ flow, generation, state, why }) => `${runId({ flow, seq, generation })}: ${state}; ${words(why)}`,
      ),
      `data, ${event.bytes} bytes:`,
      ...quotedData(event.data, 8_000),
    ],
    data: event,
  }
}

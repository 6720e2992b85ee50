import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import type { EventSummary } from '../../control/schema/event.ts'
import type { Link } from '../../control/schema/link.ts'
import type { ObjectDetail, StoryEntry } from '../../control/schema/object.ts'
import type { Run } from '../../control/schema/run.ts'
import { count, runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { Answer } from './answer.ts'
import { quotedData, words } from './answer.ts'
import { Limit, look } from './tool.ts'

const mostEvents = 20
const mostNamed = 8

/** Business objects and the events about them. */
export const objectTools = [
  look({
    name: 'find_object',
    title: 'The story of a business object',
    description:
      'The story of one business object (an order, an invoice, a customer), by its key such as SO-1042 or any id that a system has for it: where it is stuck, why and until when, its ids in the systems, and what happened to it: events, attempts, acts of people.',
    input: z.strictObject({
      id: z.string().min(1).max(255).describe('Its key, or its id in a system'),
      system: z.string().min(1).max(255).optional().describe('The system whose id it is, if that is known'),
      before: z
        .number()
        .int()
        .nonnegative()
        .optional()
        .describe('The next of an earlier answer: what is older'),
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
  { id, system, before }: { id: string; system?: string | undefined; before?: number | undefined },
): Promise<Answer> {
  const page = { limit: mostEvents, ...given({ before }) }
  const object =
    system === undefined
      ? await byKey(client, id, page)
      : await client.findObject({ system, external: id, ...page })
  return {
    lines: [
      ...standing(object),
      '',
      'oldest first:',
      ...object.story.map(storyLine),
      ...more('before', object.next),
    ],
    data: objectData(object),
  }
}

type Page = { readonly limit: number; readonly before?: number }

/** By its key; or else by what else it is known by, if that is one object. */
async function byKey(client: ControlClient, id: string, page: Page): Promise<ObjectDetail> {
  const { items } = await client.search({ q: id, kind: 'object', limit: mostNamed })
  const hit = items.find((each) => each.exact && each.id === id) ?? items.find((each) => each.exact)
  if (hit) return client.getObject({ key: hit.id, ...page })
  const alike = items.map((each) => each.id).join(', ')
  throw new BusbarError(
    'request.not-found',
    `no object is known as ${id}${alike === '' ? '' : `; there are ${alike}`}`,
  )
}

function standing({
  key,
  kind,
  state,
  verdict,
  until,
  events,
  links,
  open,
  expected,
}: ObjectDetail): string[] {
  return [
    `${kind === null ? '' : `${kind} `}${key} is ${state}: ${words(verdict)}`,
    ...(until === null ? [] : [`so until ${until}`]),
    `${count(events, 'event')} about it`,
    ...links.map((link) => `${link.kind} ${link.id} is ${link.external} in ${link.system}`),
    ...open.map(
      (run) =>
        `${runId(run)} is ${run.state}${run.step === null ? '' : ` at ${run.step}`}: ${words(run.why)}${run.problem === null ? '' : ` (problem ${run.problem})`}`,
    ),
    ...expected.map((each) => `${each.expected} must follow ${each.after} by ${each.dueAt}: ${each.state}`),
  ]
}

function storyLine(entry: StoryEntry): string {
  const where = entry.run === null ? '' : ` of ${runId(entry.run)}`
  const at = entry.system === null ? '' : ` in ${entry.system}`
  switch (entry.kind) {
    case 'event':
      return `${entry.at} event ${entry.type}, place ${entry.seq}, from ${entry.source}, id ${entry.id}${entry.echoOf === null ? '' : ' (our own write, told back)'}`
    case 'attempt':
      return `${entry.at} ${entry.phase} of step ${entry.step ?? ''}${where}${at}: ${entry.outcome}${entry.message === null ? '' : `, ${entry.message}`}${entry.final ? '; a person is needed' : ''}`
    case 'step':
      return `${entry.at} step ${entry.step ?? ''}${where}${at}: ${entry.state}${entry.ids.map((id) => `, gave ${id.external}`).join('')}`
    case 'run':
      return `${entry.at} run${where}: ${entry.state}; ${words(entry.why)}`
    case 'act':
      return `${entry.at} ${entry.actor}: ${entry.verb} ${entry.object}${entry.reason === null ? '' : `, because ${entry.reason}`}`
  }
}

function objectData({ key, kind, state, until, links, open, expected, story, next }: ObjectDetail) {
  return {
    ...{ key, kind, state, until, expected, next },
    links: links.map(linkData),
    open: open.map(({ flow, seq, generation, why, ...run }) => ({
      run: runId({ flow, seq, generation }),
      ...run,
      why: words(why),
    })),
    story: story.map((entry) => ('why' in entry ? { ...entry, why: words(entry.why) } : entry)),
  }
}

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

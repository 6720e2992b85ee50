import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import type { Status } from '../../control/schema/overview.ts'
import { count } from '../../control/sentence.ts'
import type { Answer } from './answer.ts'
import { words } from './answer.ts'
import { look } from './tool.ts'

const mostFlows = 50

/** What is true now, as a whole and by system. */
export const overviewTools = [
  look({
    name: 'status',
    title: 'What is true now',
    description:
      'What is true now in the integration middleware busbar, in words: what needs a person, which systems are cut off, what waits and until when. Begin here.',
    input: z.strictObject({}),
    answer: status,
  }),
  look({
    name: 'systems',
    title: 'Systems and how they stand',
    description:
      'The business systems that busbar calls: connected, cut off, slowed or paused, why, until when, how much waits for each. With a name: also the flows that call it and its problems.',
    input: z.strictObject({
      name: z.string().min(1).max(80).optional().describe('Only this one, with its flows and problems'),
    }),
    answer: systems,
  }),
]

async function status(client: ControlClient): Promise<Answer> {
  const now = await client.status()
  const { open, workers, systems: known, flows } = now
  return {
    lines: [
      words(now.sentence),
      '',
      `now: ${new Date().toISOString()}`,
      `open runs: ${open.parked} parked (a person must act), ${open.retrying} retrying, ${open.waiting} waiting, ${open.running} running`,
      `expected events overdue: ${now.overdue}`,
      `workers: ${workers.live} live, ${workers.late} late; log: ${now.head} events; transport: ${now.transport.kind}`,
      ...known.map(
        ({ name, standing, since, until }) =>
          `system ${name}: ${standing}, since ${since}${untilWords(until)}`,
      ),
      ...flows.slice(0, mostFlows).map(flowLine),
    ],
    data: now,
  }
}

function flowLine({ flow, group, pending, exact, oldestPendingAt }: Status['flows'][number]): string {
  const waits =
    pending === 0 ? 'no event waits' : `${exact ? '' : 'about '}${count(pending, 'event')} not reached yet`
  return `flow ${flow} (lane group ${group}): ${waits}${oldestPendingAt === null ? '' : `, the oldest accepted ${oldestPendingAt}`}`
}

async function systems(client: ControlClient, { name }: { name?: string | undefined }): Promise<Answer> {
  if (name === undefined) {
    const { items } = await client.listSystems()
    const lines = items.map(
      ({ name: each, standing, why, until, lanes }) =>
        `${each}: ${standing}${untilWords(until)}; ${words(why)}; ${count(lanes, 'lane')} wait for it`,
    )
    return { lines: items.length === 0 ? ['no systems'] : lines, data: { items } }
  }
  const system = await client.getSystem({ name })
  return {
    lines: [
      `${system.name}: ${system.standing} since ${system.changedAt}${untilWords(system.until)}`,
      words(system.why),
      `address: ${system.address}; ${count(system.lanes, 'lane')} wait for it; called by ${system.flows.join(', ') || 'no flow'}`,
      ...system.problems.map(({ fingerprint, title, code }) => `problem ${fingerprint}: ${title} [${code}]`),
    ],
    data: system,
  }
}

function untilWords(until: string | null): string {
  return until === null ? '' : `, until ${until}`
}

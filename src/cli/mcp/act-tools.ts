import { z } from 'zod'
import { bodyDifferences } from '../../control/compare-requests.ts'
import type { ControlClient } from '../../control/client.ts'
import type { RunDetail } from '../../control/schema/run.ts'
import { runId } from '../../control/sentence.ts'
import { BusbarError } from '../../errors.ts'
import type { Answer } from './answer.ts'
import { quoted } from './answer.ts'
import { given } from './object-tools.ts'
import { runWords } from './run-words.ts'
import { act, RunName, runOf } from './tool.ts'

const mostDifferences = 30

/** Acts on runs; each says first what would happen. */
export const runActTools = [
  act({
    name: 'retry_run',
    title: 'Retry a run',
    description:
      'Try a parked or retrying run again now: the same run, with the same idempotency keys, so a system that remembers them does nothing twice.',
    destructive: true,
    input: z.strictObject({
      run: RunName,
      mayDouble: z
        .boolean()
        .default(false)
        .describe(
          'Also when its effect may have happened and cannot be looked up: it may then happen twice. Only on the word of the user',
        ),
    }),
    plan: async (client, { run, mayDouble }) => {
      const detail = await openRun(client, run)
      const inDoubt = detail.steps.some((step) => step.inDoubt)
      return planned(detail, [
        'It would be tried again now, with the same idempotency keys; runs of the same key that stand behind it go on after it.',
        ...(inDoubt
          ? [
              `Its effect may have happened already: ${mayDouble ? 'it may then happen twice' : 'where that cannot be looked up, the retry is refused without mayDouble'}.`,
            ]
          : []),
      ])
    },
    act: async (client, { run, reason, mayDouble }) => {
      const done = await client.retryRun({ ...runOf(run), reason, mayDouble })
      return {
        lines: [
          `${runId(done)} was ${done.before} and is ${done.after}: it is tried again now. Look at it with get_run.`,
        ],
        data: { done: true, ...done },
      }
    },
  }),
  act({
    name: 'skip_run',
    title: 'Skip a run',
    description:
      'End a run for good without doing its work. It cannot be taken back; the next run of the same key goes on.',
    destructive: true,
    input: z.strictObject({ run: RunName }),
    plan: async (client, { run }) =>
      planned(await openRun(client, run), [
        'It would end for good, and what it has not done would never be done; what it has done already stays done.',
        'The next run of the same key would go on.',
      ]),
    act: async (client, { run, reason }) => {
      const done = await client.skipRun({ ...runOf(run), reason })
      return {
        lines: [`${runId(done)} was ${done.before} and has ended: ${done.after}.`],
        data: { done: true, ...done },
      }
    },
  }),
  act({
    name: 'edit_step',
    title: 'Edit and retry a step',
    description:
      'Try a step of a run again with other data in the place of those of its event, under a new idempotency key. The event in the log stays as it is.',
    destructive: true,
    input: z.strictObject({
      run: RunName,
      step: z.string().min(1).max(80).describe('Name of the step, as get_run has it'),
      data: z
        .record(z.string(), z.unknown())
        .describe(
          'The data as a whole, not only what changes; what is shown as [redacted] stays as it is where that is left',
        ),
    }),
    plan: planEdit,
    act: async (client, { run, step, data, reason }) => {
      const done = await client.editStep({ ...runOf(run), step, data, reason })
      return {
        lines: [`step ${step} of ${runId(done)} is tried again with these data; the run is ${done.state}.`],
        data: { done: true, ...done },
      }
    },
  }),
]

/** The run, if something is left of it to act on. */
async function openRun(client: ControlClient, name: string): Promise<RunDetail> {
  const detail = await client.getRun(runOf(name))
  if (detail.endedAt === null || detail.state === 'parked') return detail
  throw new BusbarError('act.refused', `run ${runId(detail)} has ended: it is ${detail.state}`)
}

function planned(detail: RunDetail, consequences: readonly string[]): Answer {
  return {
    lines: [`${runId(detail)}, key ${detail.key ?? 'none'}:`, ...runWords(detail), '', ...consequences],
    data: { run: runId(detail), state: detail.state, consequences },
  }
}

async function planEdit(
  client: ControlClient,
  { run, step, data }: { run: string; step: string; data: Record<string, unknown> },
): Promise<Answer> {
  const detail = await openRun(client, run)
  const found = detail.steps.find(({ name }) => name === step)
  if (!found)
    throw new BusbarError(
      'request.not-found',
      `run ${runId(detail)} has no step ${step}: it has ${detail.steps.map(({ name }) => name).join(', ')}`,
    )
  const differences = bodyDifferences(found.input ?? detail.event.data, data, '')
  if (differences.length === 0)
    throw new BusbarError('act.refused', 'the data are what they were: use retry_run to try again')
  const { lines, data: about } = planned(detail, [
    `Step ${step} would be tried again under a new idempotency key, with data that differ so:`,
  ])
  const shown = differences.slice(0, mostDifferences)
  return {
    lines: [
      ...lines,
      ...shown.flatMap(({ field, before, now }) =>
        quoted(`${field || 'data'}: ${before ?? 'not there'} -> ${now ?? 'not there'}`, 500),
      ),
      ...(differences.length > shown.length ? [`and ${differences.length - shown.length} more`] : []),
    ],
    data: { ...(about as object), step, differences: shown },
  }
}

/** Acts on problems, systems and lane groups. */
export const operateTools = [
  act({
    name: 'acknowledge_problem',
    title: 'Acknowledge a problem',
    description: 'Say that a problem is known and looked after. Nothing is sent and nothing retried by it.',
    destructive: false,
    input: z.strictObject({
      problem: z.string().min(1).max(255).describe('Its fingerprint'),
      owner: z.string().min(1).max(80).optional().describe('Who looks after it: a name'),
    }),
    plan: async (client, { problem: fingerprint, owner }) => {
      const problem = await client.getProblem({ fingerprint })
      return {
        lines: [
          `${problem.title} [${problem.code}] is ${problem.state}${problem.owner === null ? '' : `, ${problem.owner} looks after it`}.`,
          `It would be acknowledged${owner === undefined ? '' : `, with ${owner} as the one who looks after it`}; the reason becomes its note${problem.note === null ? '' : ', in the place of the one that it has'}.`,
        ],
        data: { problem: fingerprint, state: problem.state },
      }
    },
    act: async (client, { problem: fingerprint, owner, reason }) => {
      const done = await client.changeProblem({
        fingerprint,
        state: 'acknowledged',
        note: reason,
        ...given({ owner }),
      })
      return { lines: [`${done.title} is ${done.state}.`], data: { done: true, problem: done } }
    },
  }),
  ...(['pause', 'resume'] as const).map((verb) =>
    act({
      name: verb,
      title: verb === 'pause' ? 'Pause a system or lane group' : 'Resume a system or lane group',
      description:
        verb === 'pause'
          ? 'Stop calling a system, or stop starting runs of a lane group. What needs it waits, is not lost and uses up no attempts.'
          : 'Call a paused system again, or go on with a paused lane group: what waits is sent.',
      destructive: verb === 'pause',
      input: z.strictObject({
        kind: z.enum(['system', 'group']).describe('group: a lane group, as status names it'),
        name: z.string().min(1).max(80),
      }),
      plan: (client, which) => planPause(client, verb, which),
      act: async (client, { kind, name, reason }) => {
        const ids = {
          pause: { system: 'pauseSystem', group: 'pauseGroup' },
          resume: { system: 'resumeSystem', group: 'resumeGroup' },
        } as const
        const done = await client[ids[verb][kind]]({ name, reason })
        return {
          lines: [`${kind} ${name} is ${done.paused ? 'paused' : 'not paused any more'}.`],
          data: { done: true, ...done },
        }
      },
    }),
  ),
]

async function planPause(
  client: ControlClient,
  verb: 'pause' | 'resume',
  { kind, name }: { kind: 'system' | 'group'; name: string },
): Promise<Answer> {
  const { paused, waits } = kind === 'system' ? await systemNow(client, name) : await groupNow(client, name)
  const would =
    verb === 'pause'
      ? `No call would begin until somebody resumes it; what needs it waits and uses up no attempts. Calls under way end as they end.`
      : 'What waits for it would be sent, as fast as its limits allow.'
  return {
    lines: [`${kind} ${name} is ${paused ? 'paused' : 'not paused'}; ${waits}.`, would],
    data: { kind, name, paused, would },
  }
}

async function systemNow(client: ControlClient, name: string) {
  const { paused, lanes } = await client.getSystem({ name })
  return { paused, waits: `${lanes} lanes wait for it` }
}

async function groupNow(client: ControlClient, name: string) {
  const { items } = await client.listGroups()
  const group = items.find((each) => each.name === name)
  if (!group)
    throw new BusbarError(
      'request.not-found',
      `there is no lane group ${name}: ${
        items
          .map((each) => each.name)
          .slice(0, 20)
          .join(', ') || 'there is none at all'
      }`,
    )
  return { paused: group.paused, waits: `${group.pending} events not reached yet` }
}

import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { ControlClient } from '../../control/client.ts'
import { Reason } from '../../control/schema/common.ts'
import { BusbarError } from '../../errors.ts'
import { parseRun } from '../run-argument.ts'
import type { Answer } from './answer.ts'

/** Something an agent may ask for. */
export interface Tool {
  readonly name: string
  readonly title: string
  /** What it answers or does, for a reader who knows nothing of busbar. */
  readonly description: string
  readonly input: z.ZodObject
  readonly annotations: ToolAnnotations
  readonly answer: (client: ControlClient, input: never) => Promise<Answer>
}

interface Written<Input extends z.ZodObject> {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly input: Input
  readonly answer: (client: ControlClient, input: z.output<Input>) => Promise<Answer>
}

/** A tool that only looks. */
export function look<Input extends z.ZodObject>(tool: Written<Input>): Tool {
  return { ...tool, annotations: { readOnlyHint: true, openWorldHint: false } }
}

interface WrittenAct<Input extends z.ZodObject> extends Omit<Written<Input>, 'answer'> {
  /** It ends, stops, or sends something that cannot be taken back. */
  readonly destructive: boolean
  /** What will happen, and what will not; nothing is done. Throws what the act would be refused for, where that is known. */
  readonly plan: (client: ControlClient, input: z.output<Input>) => Promise<Answer>
  readonly act: (
    client: ControlClient,
    input: z.output<Input> & { readonly reason: string },
  ) => Promise<Answer>
}

const Act = z.strictObject({
  reason: Reason.describe('Why; stays in the audit trail for people to read'),
  confirm: z
    .boolean()
    .default(false)
    .describe('false: only say what would happen, and do nothing. true: do it'),
})

/** A tool that changes something: without `confirm` it only says what would happen. */
export function act<Input extends z.ZodObject>(tool: WrittenAct<Input>): Tool {
  const { plan, act: perform, input, destructive, ...rest } = tool
  return {
    ...rest,
    description: `${tool.description} Without confirm: true it says what would happen and does nothing; show that to the user first.`,
    input: input.extend(Act.shape).strict(),
    annotations: {
      readOnlyHint: false,
      destructiveHint: destructive,
      idempotentHint: false,
      openWorldHint: true,
    },
    answer: async (client: ControlClient, given: z.output<Input> & z.output<typeof Act>) => {
      if (given.confirm) return perform(client, given)
      const { lines, data } = await plan(client, given)
      return {
        lines: [...lines, '', 'Nothing was done. To do it, call this again with confirm: true.'],
        data: { done: false, would: data },
      }
    },
  }
}

/** A run as people write it. */
export const RunName = z
  .string()
  .max(120)
  .describe(
    'A run: <flow>/<place of its event in the log>, such as book-order/1042; a replayed one has its generation as a third part',
  )

/** The run that a name stands for; throws `request.not-found`, with what to do. */
export function runOf(name: string): { flow: string; seq: number; generation: number } {
  try {
    return parseRun(name)
  } catch {
    throw new BusbarError(
      'request.not-found',
      `"${name}" is no run: it is written <flow>/<seq>, such as book-order/1042`,
    )
  }
}

/** How many items a list has at most. */
export const Limit = z.number().int().min(1).max(50).default(20).describe('How many at most')

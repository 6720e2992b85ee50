import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { ControlClient } from '../../control/client.ts'
import { BusbarError } from '../../errors.ts'
import { ownVersion } from '../../version.ts'
import { operateTools, runActTools } from './act-tools.ts'
import { failureOf, notice, resultOf } from './answer.ts'
import { objectTools } from './object-tools.ts'
import { overviewTools } from './overview-tools.ts'
import { problemTools } from './problem-tools.ts'
import { runTools } from './run-tools.ts'
import type { Tool } from './tool.ts'

/** Tools that look. */
export const readTools: readonly Tool[] = [...overviewTools, ...problemTools, ...objectTools, ...runTools]
/** Tools that change something. */
export const actTools: readonly Tool[] = [...runActTools, ...operateTools]

const mostInputElements = 10_000

/**
 * A server of the Model Context Protocol over a busbar's control API. Acts exist only where they are allowed. Every
 * answer is bounded; a failure is told in words that say what to do; what is not busbar's own error goes to `onError`.
 */
export function createMcpServer(options: {
  readonly client: ControlClient
  readonly allowActs: boolean
  readonly onError: (error: unknown) => void
}): McpServer {
  const { client, allowActs, onError } = options
  const server = new McpServer(
    { name: 'busbar', title: 'busbar', version: ownVersion() },
    { instructions: instructionsFor(allowActs), maxToolInputElements: mostInputElements },
  )
  for (const tool of allowActs ? [...readTools, ...actTools] : readTools)
    server.registerTool(
      tool.name,
      {
        title: tool.title,
        description: tool.description,
        inputSchema: tool.input,
        annotations: { title: tool.title, ...tool.annotations },
      },
      async (input) => {
        try {
          return resultOf(await tool.answer(client, input as never))
        } catch (error) {
          if (!(error instanceof BusbarError)) onError(error)
          return failureOf(error)
        }
      },
    )
  return server
}

function instructionsFor(allowActs: boolean): string {
  return [
    'busbar stores each business event once and hands it to flows; a flow calls business systems (ERP, accounting, shop). One event handled by one flow is a run, written <flow>/<place in the log>. Runs about the same key (such as an order number) follow each other in order. "parked" means that a person must act; waiting and retrying go on by themselves. Times are UTC.',
    'Begin with status; find_object for one order or customer; list_problems and explain_problem for causes.',
    notice,
    allowActs
      ? 'Acts change what business systems do. First call them without confirm, show the user what would happen, and confirm only when the user agrees. Repair a cause before retrying.'
      : 'Nothing can be changed from here: tell the user what to do in the console or with the busbar command.',
  ].join('\n\n')
}

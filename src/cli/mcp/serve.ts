import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { Context } from '../context.ts'
import { checkMayAct } from './rights.ts'
import { createMcpServer } from './server.ts'

/**
 * Serves the Model Context Protocol on stdin and stdout until stdin ends; stdout carries nothing else. Rejects with
 * `config.invalid` when acts are allowed and the key may not act.
 */
export async function serveMcp(context: Context, options: { readonly allowActs: boolean }): Promise<void> {
  const { client, terminal } = context
  if (options.allowActs) await checkMayAct(client)
  const server = createMcpServer({
    client,
    allowActs: options.allowActs,
    onError: (error) => terminal.err(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  })
  const ended = new Promise<void>((resolve) => {
    server.server.onclose = resolve
    process.stdin.once('end', resolve)
  })
  await server.connect(new StdioServerTransport())
  await ended
  await server.close()
}

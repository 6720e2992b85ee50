import type { Command } from 'commander'
import { BusbarError } from '../../errors.ts'
import type { Action, Context } from '../context.ts'

const sdk = '@modelcontextprotocol/sdk'

/** `mcp`: the only command that needs the SDK, so that nobody else must install it. */
export function addMcpCommand(program: Command, action: Action): void {
  program
    .command('mcp')
    .description('answer AI agents over the Model Context Protocol, on stdin and stdout; they may look only')
    .option(
      '--allow-acts',
      'they may also retry, skip, edit, acknowledge, pause and resume; the key needs operate',
      false,
    )
    .action(action(mcp))
}

async function mcp(context: Context, options: { readonly allowActs: boolean }): Promise<void> {
  const { serveMcp } = await import('../mcp/serve.ts').catch(missing)
  await serveMcp(context, options)
}

function missing(error: unknown): never {
  const { code, message } = error as { code?: unknown; message: string }
  if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(sdk)) throw error
  throw new BusbarError(
    'config.invalid',
    `busbar mcp needs a package that is not installed: npm install ${sdk}`,
    {
      cause: error,
    },
  )
}

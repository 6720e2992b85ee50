import { Command, CommanderError } from 'commander'
import { BusbarError } from '../errors.ts'
import { addAuditCommands } from './commands/audit.ts'
import { addCatalogCommand } from './commands/catalog.ts'
import { addBulkCommands } from './commands/bulk.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addEventCommands } from './commands/events.ts'
import { addExpectationCommands } from './commands/expectations.ts'
import { addAlertCommands } from './commands/alerts.ts'
import { addFlowCommands } from './commands/flows.ts'
import { addGroupCommands } from './commands/groups.ts'
import { addInitCommand } from './commands/init.ts'
import { addKeyCommands } from './commands/keys.ts'
import { addOutboxCommands } from './commands/outbox.ts'
import { addLinkCommands } from './commands/links.ts'
import { addMcpCommand } from './commands/mcp.ts'
import { addOverviewCommands } from './commands/overview.ts'
import { addUserCommands } from './commands/users.ts'
import { addSystemCommands } from './commands/systems.ts'
import { addWorkerCommands } from './commands/workers.ts'
import { addProblemCommands } from './commands/problems.ts'
import { addPublishCommand } from './commands/publish.ts'
import { addQueueCommands } from './commands/queues.ts'
import { addReplayCommand } from './commands/replay.ts'
import { addReplaysCommands } from './commands/replays.ts'
import { addRunCommands } from './commands/runs.ts'
import { addRunningCommands } from './commands/run.ts'
import { addStepCommands } from './commands/steps.ts'
import type { Act } from './context.ts'
import { addGlobalOptions, contextOf } from './context.ts'
import { exitCode, exitCodeOf } from './exit-code.ts'
import type { Terminal } from './terminal.ts'
import { styled } from './terminal.ts'
import { ownVersion } from '../version.ts'

const help = `
Start here:
  busbar init my-integration    make a project that runs
  busbar dev                    run it, and start again when a file changes
  busbar publish <type> <data>  publish an event
  busbar status                 see what became of it

Exit codes: 0 done, 1 failed or needs attention, 2 wrong usage, 3 not found, 4 refused, 5 not reachable.`

/** The whole command line; nothing is run yet. */
export function createProgram(terminal: Terminal): Command {
  const program = addGlobalOptions(new Command('busbar'))
    .description(
      'Every business event stored once, delivered to each system in order, retried, never doubled, and visible.',
    )
    .version(ownVersion())
    .addHelpText('after', help)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      outputError: () => undefined, // told by runCli, in the form that was asked for
    })
    .exitOverride()
  // Commander hands arguments, options, and the command itself, in this order.
  const action =
    (act: Act) =>
    async (...args: unknown[]) => {
      const command = args.at(-1) as Command
      await act(contextOf(command, terminal), ...(args.slice(0, -1) as never[]))
    }
  for (const add of [
    addInitCommand,
    addRunningCommands,
    addPublishCommand,
    addOverviewCommands,
    addSystemCommands,
    addWorkerCommands,
    addEventCommands,
    addCatalogCommand,
    addProblemCommands,
    addRunCommands,
    addBulkCommands,
    addStepCommands,
    addOutboxCommands,
    addLinkCommands,
    addAlertCommands,
    addFlowCommands,
    addGroupCommands,
    addQueueCommands,
    addExpectationCommands,
    addReplayCommand,
    addReplaysCommands,
    addKeyCommands,
    addUserCommands,
    addAuditCommands,
    addDoctorCommand,
    addMcpCommand,
  ])
    add(program, action)
  for (const command of program.commands) command.exitOverride().configureHelp({ showGlobalOptions: true })
  return program
}

/** Runs one command line; resolves with the exit code and never rejects. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = createProgram(terminal)
  try {
    process.exitCode = exitCode.done
    await program.parseAsync([...args], { from: 'user' })
    return Number(process.exitCode)
  } catch (error) {
    const told = error instanceof CommanderError ? misuse(error) : error
    if (typeof told === 'number') return told
    tell(terminal, told, args.includes('--json'))
    return exitCodeOf(told)
  }
}

/** A wrong command line as an error like all others; or the exit code, where commander has only shown its help. */
function misuse({ exitCode: code, code: kind, message }: CommanderError): BusbarError | number {
  if (code === 0) return exitCode.done
  if (kind === 'commander.help') return exitCode.usage
  return new BusbarError('config.invalid', message.replace(/^error: /, ''))
}

/** What went wrong: a sentence for people, the same as JSON for scripts; a trace only where busbar itself is at fault, not the disk or the network. */
function tell(terminal: Terminal, error: unknown, json: boolean): void {
  const known = error instanceof BusbarError
  const said = error instanceof Error ? error.message : String(error)
  const isKeyMissing = known && error.code === 'request.unauthorized'
  const message = isKeyMissing ? `${said}; here it comes from BUSBAR_KEY or --key` : said
  if (json) terminal.err(JSON.stringify({ error: { code: known ? error.code : 'internal', message } }))
  else terminal.err(`${styled(terminal, 'red', 'error')} ${message}${known ? ` [${error.code}]` : ''}`)
  if (!known && error instanceof Error && !('syscall' in error) && !json) terminal.err(error.stack ?? '')
}

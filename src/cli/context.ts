import type { Command } from 'commander'
import { createControlClient } from '../control/client.ts'
import type { ControlClient } from '../control/client.ts'
import type { Terminal } from './terminal.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json: boolean
  readonly url: string
  readonly key: string | undefined
  readonly config: string | undefined
}

/** What a command works with. */
export interface Context {
  readonly terminal: Terminal
  readonly options: GlobalOptions
  /** The control API of the busbar at `--url`. */
  readonly client: ControlClient
  /** Prints the value as JSON where `--json` was asked for, else what `human` makes of it. */
  show<T>(value: T, human: (value: T) => string): void
}

/** What a command does: it is given the context, then commander's arguments and options. */
export type Act = (context: Context, ...args: never[]) => Promise<void>

/** Makes of an act what commander calls. */
export type Action = (act: Act) => (...args: unknown[]) => Promise<void>

const defaultUrl = 'http://127.0.0.1:7070'

/** Adds the options that every command takes. */
export function addGlobalOptions(program: Command): Command {
  return program
    .option('--json', 'print JSON for scripts', false)
    .option('--url <url>', 'where busbar is', process.env['BUSBAR_URL'] ?? defaultUrl)
    .option('--key <key>', 'API key; better in the environment variable BUSBAR_KEY')
    .option('-c, --config <file>', 'configuration file (default: busbar.config.ts, .js)')
}

/** The context of a command that is being run. */
export function contextOf(command: Command, terminal: Terminal): Context {
  const given = command.optsWithGlobals<GlobalOptions>()
  const options = { ...given, key: given.key ?? process.env['BUSBAR_KEY'] }
  return {
    terminal,
    options,
    client: createControlClient({ url: options.url, ...(options.key !== undefined && { key: options.key }) }),
    show(value, human) {
      terminal.out(options.json ? JSON.stringify(value) : human(value))
    },
  }
}

import type { Command } from 'commander'
import { createHub } from '../../hub.ts'
import type { Hub } from '../../hub.ts'
import { isLoopback } from '../../hub/loopback-guard.ts'
import type { Config } from '../../define/config.ts'
import { portRange } from '../../define/http-config.ts'
import { inRange } from '../../define/range.ts'
import type { RoleName } from '../../define/roles.ts'
import { roleNamesOf } from '../../define/roles.ts'
import { BusbarError } from '../../errors.ts'
import { checkDurable, migrate } from '../../journal/migrate.ts'
import { logFormats } from '../../define/log-config.ts'
import { createLog, logLevels } from '../../telemetry/log.ts'
import { loadConfig } from '../config-file.ts'
import type { Action, Context } from '../context.ts'
import { keepHeapSmall } from '../heap.ts'
import { withDatabase } from '../journal.ts'
import { oneOf } from '../options.ts'
import { developOn } from '../reload.ts'
import { styled } from '../terminal.ts'
import { partsOf } from '../words.ts'

interface StartOptions {
  readonly role?: readonly string[]
  readonly migrate?: boolean
  readonly logLevel: string
  readonly logFormat?: string
  readonly port?: string
  readonly dev: boolean
}

/** `dev`, `start`, `migrate`. */
export function addRunningCommands(program: Command, action: Action): void {
  program
    .command('dev')
    .description('run the project on this machine, without API keys, and start again whenever a file changes')
    .option('--port <port>', 'in the place of http.port; 0 takes a free one')
    .option('--log-level <level>', logLevels.join(', '), 'info')
    .option('--log-format <format>', `${logFormats.join(' or ')} (default: log.format of the configuration)`)
    .action(action(dev))
  program
    .command('start')
    .description('run in production; ends gracefully on SIGTERM and SIGINT')
    .option(
      '--role <role>',
      'ingress, worker, console, relay, or all; several with commas (default: roles of the configuration, or all)',
      (given: string, before: readonly string[] = []) => [...before, ...given.split(',')],
    )
    .option('--migrate', 'apply missing migrations at start (always done for the embedded journal)')
    .option('--port <port>', 'in the place of http.port; 0 takes a free one')
    .option('--log-level <level>', logLevels.join(', '), 'info')
    .option('--log-format <format>', `${logFormats.join(' or ')} (default: log.format of the configuration)`)
    .option('--dev', 'as "busbar dev" does, without watching files', false)
    .action(action(start))
  program
    .command('migrate')
    .description("bring the journal's tables to this version; safe to run at any time, from anywhere")
    .action(action(migrateJournal))
}

const drainMs = 2_000

async function start(context: Context, options: StartOptions): Promise<void> {
  const roles =
    options.role && roleNamesOf('--role', options.role.map((name) => name.trim()) as readonly RoleName[])
  const level = oneOf('--log-level', options.logLevel, logLevels)
  const format =
    options.logFormat === undefined ? undefined : oneOf('--log-format', options.logFormat, logFormats)
  const { config: loaded } = await loadConfig(context.options.config)
  const config = asToldBy(loaded, options)
  if (options.dev) checkLoopback(config.http.host)
  keepHeapSmall()
  const hub = createHub(config, {
    ...(roles && { roles }),
    log: createLog(level, { format: format ?? config.log.format }),
    watchdog: true,
    ...((options.migrate === true || options.dev) && { migrate: true }),
  })
  const interrupted = untilInterrupted()
  await hub.start()
  tellStarted(context, hub, config)
  await interrupted
  await hub.stop({ drainMs: options.dev ? 0 : (config.http.drainMs ?? drainMs) })
  if (process.connected) process.disconnect() // being listened for, the channel to "busbar dev" would keep this alive
}

function tellStarted({ options, terminal }: Context, { url, firstAdminLink }: Hub, config: Config): void {
  if (options.json)
    return terminal.out(JSON.stringify({ url, ...(firstAdminLink !== undefined && { firstAdminLink }) }))
  terminal.out(`busbar runs at ${styled(terminal, 'bold', url)}: ${partsOf(config)}`)
  if (firstAdminLink !== undefined)
    terminal.out(
      `Nobody can sign in yet. The first admin opens this link, once, within 24 hours:\n${firstAdminLink}`,
    )
}

/** The configuration with what the command line says otherwise. */
function asToldBy(config: Config, { dev, port }: StartOptions): Config {
  const http = {
    ...config.http,
    ...(dev && { unauthenticated: true }),
    ...(port !== undefined && { port: inRange('--port', Number(port || Number.NaN), portRange) }),
  }
  return { ...config, http }
}

/** Without keys, everybody who reaches the port may publish and act. */
function checkLoopback(host: string): void {
  if (isLoopback(host)) return
  throw new BusbarError(
    'config.invalid',
    `"busbar dev" asks for no API keys, so it serves on loopback only; the configuration says http.host "${host}"`,
  )
}

/** npm passes on a signal that the terminal has sent to its child already: two so close together are one. */
const sameSignalMs = 250
const endedBy = { SIGINT: 130, SIGTERM: 143 } as const

/** The first signal ends the process gracefully, a second of either kind at once. Started by `busbar dev`, it ends with that, too. */
function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    let first = Number.POSITIVE_INFINITY
    const heard = (signal: keyof typeof endedBy) => {
      if (performance.now() - first > sameSignalMs) process.exit(endedBy[signal])
      first = Math.min(first, performance.now())
      resolve()
    }
    process.once('disconnect', () => resolve())
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, heard)
  })
}

async function dev(
  context: Context,
  options: Pick<StartOptions, 'logLevel' | 'logFormat' | 'port'>,
): Promise<void> {
  oneOf('--log-level', options.logLevel, logLevels)
  const port = options.port === undefined ? [] : ['--port', options.port]
  const format = options.logFormat === undefined ? [] : ['--log-format', options.logFormat]
  await developOn(context, ['--log-level', options.logLevel, ...format, ...port])
}

async function migrateJournal(context: Context): Promise<void> {
  const { config } = await loadConfig(context.options.config)
  const applied = await withDatabase(config.journal, async (database, { schema }) => {
    await checkDurable(database)
    return migrate(database, schema)
  })
  context.show({ applied }, () =>
    applied.length === 0 ? 'the journal is up to date' : `applied ${applied.join(', ')}`,
  )
}

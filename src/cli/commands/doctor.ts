import { connect } from 'node:net'
import type { Command } from 'commander'
import { listKeys } from '../../control/keys.ts'
import type { Config } from '../../define/config.ts'
import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { checkDurable, checkMigrated } from '../../journal/migrate.ts'
import type { Action, Context } from '../context.ts'
import { loadConfig } from '../config-file.ts'
import { exitCode } from '../exit-code.ts'
import { withDatabase } from '../journal.ts'
import { table } from '../table.ts'
import { partsOf } from '../words.ts'
import { brokerFinding, relayFindings } from './doctor-transport.ts'

/** One thing that was looked at. */
export interface Finding {
  readonly what: string
  readonly state: 'ok' | 'warning' | 'fault'
  readonly says: string
}

/** `doctor`. */
export function addDoctorCommand(program: Command, action: Action): void {
  program
    .command('doctor')
    .description(
      'look at everything busbar needs, and say what is wrong and what to do; exit code 1 when there is a fault',
    )
    .action(action(doctor))
}

async function doctor(context: Context): Promise<void> {
  const findings = [nodeFinding()]
  const loaded = await loadConfig(context.options.config).catch((error: unknown) => error as Error)
  if (loaded instanceof Error) findings.push({ what: 'configuration', state: 'fault', says: loaded.message })
  else {
    const { config, file } = loaded
    findings.push({
      what: 'configuration',
      state: 'ok',
      says: `${file}: ${partsOf(config)}`,
    })
    findings.push(...(await journalFindings(config)))
    findings.push(await brokerFinding(config))
    findings.push(...(await Promise.all([...config.systems.values()].map(systemFinding))))
  }
  const styles = { ok: 'green', warning: 'yellow', fault: 'red' } as const
  context.show({ findings }, () =>
    table(
      context.terminal,
      [{ title: 'WHAT' }, { title: 'STATE' }, { title: 'SAYS', shrinks: true }],
      findings.map(({ what, state, says }) => [what, { text: state, style: styles[state] }, says]),
    ),
  )
  if (findings.some(({ state }) => state === 'fault')) process.exitCode = exitCode.failed
}

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const fine = major > 22 || (major === 22 && minor >= 18)
  return {
    what: 'Node.js',
    state: fine ? 'ok' : 'fault',
    says: fine ? process.version : `${process.version} is too old: install 22.18 or newer`,
  }
}

async function journalFindings(config: Config): Promise<Finding[]> {
  const what = 'journal'
  try {
    const embedded = config.journal.kind === 'embedded'
    return await withDatabase(config.journal, (database) => databaseFindings(database, { config, embedded }))
  } catch (error) {
    return [{ what, state: 'fault', says: error instanceof Error ? error.message : String(error) }]
  }
}

async function databaseFindings(
  database: Database,
  { config, embedded }: { config: Config; embedded: boolean },
): Promise<Finding[]> {
  const findings: Finding[] = []
  await checkDurable(database)
  const [row] = await database.query<{ version: string; at: Date }>({
    text: `SELECT current_setting('server_version') AS version, clock_timestamp() AS at`,
  })
  const place = embedded ? 'embedded PostgreSQL' : 'PostgreSQL'
  findings.push({ what: 'journal', state: 'ok', says: `${place} ${row?.version ?? ''}, durable` })
  findings.push(clockFinding(row?.at ?? new Date()))
  try {
    await checkMigrated(database)
    findings.push({ what: 'migrations', state: 'ok', says: 'all applied' })
    findings.push(await keyFinding(database, config))
    findings.push(...(await relayFindings(database, config)))
  } catch (error) {
    const missing = error instanceof BusbarError && error.code === 'journal.not-migrated'
    const says = error instanceof Error ? error.message : String(error)
    findings.push({
      what: 'migrations',
      state: missing && embedded ? 'ok' : 'fault',
      says: embedded ? 'applied at the first start' : says,
    })
  }
  return findings
}

const maxSkewMs = 1_000

/** Leases and retries go by the database's clock, shown times and key life by this machine's. */
function clockFinding(at: Date): Finding {
  const skewMs = Math.abs(Date.now() - at.getTime())
  const fine = skewMs <= maxSkewMs
  return {
    what: 'clocks',
    state: fine ? 'ok' : 'warning',
    says: fine
      ? 'this machine and the database agree'
      : `this machine and the database differ by ${Math.round(skewMs / 1_000)} s: run an NTP client on both`,
  }
}

async function keyFinding(database: Database, { http }: Config): Promise<Finding> {
  const what = 'API keys'
  if (http.unauthenticated)
    return {
      what,
      state: 'warning',
      says: 'http.unauthenticated is set: everybody who reaches the port may publish and act',
    }
  const keys = (await listKeys(database)).filter(({ revokedAt }) => revokedAt === null)
  return keys.length > 0
    ? { what, state: 'ok', says: `${keys.length} in force` }
    : {
        what,
        state: 'warning',
        says: 'none: "busbar keys create <name>" makes one; until then only "busbar dev" takes events',
      }
}

const connectTimeoutMs = 3_000

/** Whether a connection can be made; nothing is sent. */
async function systemFinding({ name, address }: { name: string; address: string }): Promise<Finding> {
  const what = `system ${name}`
  if (!URL.canParse(address)) return { what, state: 'ok', says: `${address}: not an HTTP address, not tried` }
  const { hostname, port, protocol } = new URL(address)
  const host = hostname.replace(/^\[|\]$/g, '')
  const fault = await new Promise<string | undefined>((resolve) => {
    const socket = connect({
      host,
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
      timeout: connectTimeoutMs,
    })
    socket.once('connect', () => resolve(undefined))
    socket.once('timeout', () => resolve(`no connection within ${connectTimeoutMs / 1_000} s`))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('closed'))
    for (const event of ['connect', 'timeout', 'error'] as const) socket.once(event, () => socket.destroy())
  })
  return fault === undefined
    ? { what, state: 'ok', says: `${address} takes connections` }
    : { what, state: 'warning', says: `${address}: ${fault}; its runs wait until it answers` }
}

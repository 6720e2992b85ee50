import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Access } from './embedded-access.ts'
import { createAccess } from './embedded-access.ts'
import type { Cluster } from './embedded-cluster.ts'
import { serverPid } from './embedded-cluster.ts'
import { failed } from './embedded-errors.ts'
import { boundLog, readLogFrom } from './embedded-files.ts'
import { removeOldCopies } from './embedded-package.ts'
import { endOrphans } from './embedded-orphans.ts'
import { isAlive, run } from './embedded-process.ts'

/** Given on the command line, so that no file in the data can weaken them. */
const settings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'fsync=on',
  'synchronous_commit=on',
  'full_page_writes=on',
  'max_connections=60',
  'shared_buffers=128MB',
  'password_encryption=scram-sha-256',
  // The log tells of crashes and faults; statements, with what is in them, stay out of it.
  'log_min_messages=warning',
  'log_min_error_statement=panic',
  'log_checkpoints=off',
  '"log_line_prefix=%m "',
  // A session whose client was killed ends within a query too; else it would keep a killed server from starting again.
  ...(process.platform === 'win32' ? [] : ['client_connection_check_interval=2000']),
]

const startRounds = 8
const orphanRounds = 3
const roundPauseMs = 500
const waitSeconds = 60
const endPollMs = 25

/**
 * Starts the server in a session of its own, so that no Ctrl-C reaches it; answers with the access in force: a taken
 * port is replaced unless `keepPort`. It may still be recovering. Throws `embedded.failed` with the end of its log.
 */
export async function startServer(
  cluster: Cluster,
  options: { readonly access: Access; readonly keepPort: boolean },
): Promise<Access> {
  let { access } = options
  checkPaths(cluster)
  await removeOldCopies(cluster.home, cluster.binaries.folder)
  for (let round = 1; ; round += 1) {
    if (await isStarting(cluster)) return access
    const { started, log } = await tryToStart(cluster, access)
    if (started || (await isStarting(cluster))) return access
    if (round >= startRounds)
      throw failed(`the embedded PostgreSQL does not start (see ${cluster.log}): ${lastLine(log)}`, { log })
    if (!options.keepPort && /could not bind|could not create any TCP/.test(log))
      access = await createAccess({ ...cluster, password: access.password })
    else {
      // What remains of a killed server ends by itself, but for a session within a long query.
      if (round >= orphanRounds && /pre-existing shared memory/.test(log)) await endOrphans(cluster.data)
      await sleep(roundPauseMs)
    }
  }
}

/** What pg_ctl passes through a shell, within double quotes. */
function checkPaths({ home, binaries }: Cluster): void {
  const odd = process.platform === 'win32' ? /["%]/ : /["$`\\\n]/
  const path = [home, binaries.folder].find((each) => odd.test(each))
  if (path !== undefined)
    throw failed(
      `PostgreSQL's pg_ctl cannot cope with the quote, dollar or backslash in ${path}: rename that folder`,
    )
}

/** One that recovers for longer than pg_ctl waits, or that the pg_ctl of a busbar killed meanwhile has started. */
async function isStarting(cluster: Cluster): Promise<boolean> {
  return (await serverPid(cluster)) !== undefined
}

async function tryToStart(cluster: Cluster, { port }: Access): Promise<{ started: boolean; log: string }> {
  const { account, binaries, data, log } = cluster
  // PostgreSQL takes whatever process has the id in a file left by a crash for a server: another one that was given
  // the id, or the killed server itself where nobody collects ended processes (containers). Without the file it still
  // sees a live server's children, by the shared memory that is named after the data's inode.
  await rm(join(data, 'postmaster.pid'), { force: true })
  const logged = await boundLog(log, account)
  const words = [`port=${port}`, ...settings].map((setting) => `-c ${setting}`).join(' ')
  const args = ['start', '-D', data, '-l', log, '-w', '-t', String(waitSeconds), '-o', words]
  const { code, output } = await run(binaries.pgCtl, args, { account })
  return { started: code === 0, log: (await readLogFrom(log, logged)) || output }
}

function lastLine(text: string): string {
  return (
    text.split('\n').findLast((line) => /FATAL|PANIC|ERROR|error/.test(line)) ?? text.split('\n').at(-1) ?? ''
  )
}

/**
 * Stops the server, sessions and all; false when it did not end within a minute (it goes on ending). Looks at the
 * process and not, as pg_ctl does, at the data's pid file: another busbar may start a server there the moment it is free.
 */
export async function stopServer(cluster: Cluster): Promise<boolean> {
  const { account, binaries, data } = cluster
  const pid = await serverPid(cluster)
  if (pid === undefined) return true
  await run(binaries.pgCtl, ['stop', '-D', data, '-m', 'fast', '-W'], { account })
  const deadline = performance.now() + waitSeconds * 1_000
  while (isAlive(pid) && performance.now() < deadline) await sleep(endPollMs)
  return !isAlive(pid)
}

import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { canReach, chooseAccount } from './embedded-account.ts'
import { prepareBinaries } from './embedded-binaries.ts'
import type { Claim } from './embedded-claim.ts'
import { takeClaim } from './embedded-claim.ts'
import { accessOf, initialize, serverPid, startServer, stopServer, urlOf } from './embedded-cluster.ts'
import type { Access, Cluster } from './embedded-cluster.ts'
import { takeStartLock } from './embedded-start-lock.ts'

/** A private PostgreSQL that runs. */
export interface Embedded {
  /** A PostgreSQL connection string; stays valid when the server had to be started again. */
  readonly url: string
  /** Its data were created just now. */
  readonly fresh: boolean
  /** It was running already: its busbar had been killed. */
  readonly adopted: boolean
  /** Stops the server. Safe to call twice. */
  stop(): Promise<void>
}

/** Where the PostgreSQL of a folder answers whose busbar is alive; undefined when there is none. For tools beside that busbar. */
export async function urlOfRunning(folder: string): Promise<string | undefined> {
  const home = await homeOf(resolve(folder))
  const text = await readFile(join(home, 'access.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : urlOf(JSON.parse(text) as Access)
}

/** The folder itself, or the place that stands in for it. */
async function homeOf(folder: string): Promise<string> {
  const elsewhere = await readFile(join(folder, 'moved-to'), 'utf8').catch(() => '')
  return elsewhere.trim() || folder
}

const restartPauseMs = { first: 250, longest: 5_000 }

/**
 * Runs a private PostgreSQL with its data in `folder`, on loopback, durable (fsync), for this process alone: a folder
 * whose busbar is alive is refused (`embedded.in-use`), the server of one that was killed is adopted, and a server that
 * dies is started again. Started as root it runs as another user. Throws `embedded.unsupported` where the programs
 * cannot run, `embedded.failed` when the data cannot be set up or started.
 */
export async function startEmbedded(options: {
  readonly folder: string
  /** Told in words of what takes long or is unusual. */
  readonly onLog?: (message: string) => void
}): Promise<Embedded> {
  const server = new EmbeddedServer(options.onLog ?? (() => undefined))
  await server.start(resolve(options.folder))
  return server
}

/** Owns the server and the claim on it. */
class EmbeddedServer implements Embedded {
  fresh = false
  adopted = false
  url = ''
  readonly #onLog: (message: string) => void
  #cluster: Cluster | undefined
  #claim: Claim | undefined
  #folder = ''
  #stopping: Promise<void> | undefined
  #restarting: Promise<void> = Promise.resolve()

  constructor(onLog: (message: string) => void) {
    this.#onLog = onLog
  }

  async start(folder: string): Promise<void> {
    this.#folder = folder
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, '.gitignore'), '*\n', { flag: 'wx' }).catch(() => undefined)
    this.#cluster = await this.#open()
    await this.#run(this.#cluster)
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#restarting
      if (this.#cluster && this.#claim) await stopServer(this.#cluster)
      await this.#claim?.release()
    })()
    return this.#stopping
  }

  /** Who runs it, where, with which programs. */
  async #open(): Promise<Cluster> {
    const account = await chooseAccount(this.#folder, join(await homeOf(this.#folder), 'data'))
    let home = await homeOf(this.#folder)
    if (!(await canReach(account, home, 'folder'))) {
      home = await this.#moveHome()
      this.#onLog(
        `the journal's data are in ${home}: the user that runs PostgreSQL cannot reach ${this.#folder}`,
      )
    }
    const binaries = await prepareBinaries({ account, shelter: home })
    return { home, data: join(home, 'data'), log: join(home, 'postgres.log'), account, binaries }
  }

  /** Busbar runs as root in a folder that only root can enter; PostgreSQL does not run as root. */
  async #moveHome(): Promise<string> {
    const name = createHash('sha256').update(this.#folder).digest('hex').slice(0, 12)
    const home = join('/var/lib/busbar', name)
    await mkdir(home, { recursive: true, mode: 0o755 })
    await writeFile(join(this.#folder, 'moved-to'), `${home}\n`)
    return home
  }

  /** Has the server run and claims it, whoever started it. */
  async #run(cluster: Cluster): Promise<void> {
    const lock = takeStartLock(this.#folder)
    try {
      const access = await accessOf(cluster)
      this.fresh = (await initialize(cluster, access)) || this.fresh
      this.adopted = (await serverPid(cluster)) !== undefined && (await this.#adopt(cluster, access))
      if (!this.adopted) await this.#claimIt(cluster, await startServer(cluster, access))
    } finally {
      lock.release()
    }
  }

  /** False when the server that seemed to run was just ending. */
  async #adopt(cluster: Cluster, access: Access): Promise<boolean> {
    try {
      await this.#claimIt(cluster, access)
    } catch (error) {
      if ((await serverPid(cluster)) !== undefined) throw error
      return false
    }
    this.#onLog('the embedded PostgreSQL was still running, its busbar was not: adopted')
    return true
  }

  async #claimIt(cluster: Cluster, access: Access): Promise<void> {
    this.url = urlOf(access)
    this.#claim = await takeClaim({
      url: this.url,
      folder: this.#folder,
      onLost: () => this.#lost(cluster),
      isThere: async () => (await serverPid(cluster)) !== undefined,
    })
  }

  /** The server ended without having been told to. */
  #lost(cluster: Cluster): void {
    if (this.#stopping) return
    this.#onLog('the embedded PostgreSQL has ended unexpectedly; it is started again')
    this.#restarting = this.#restarting.then(() => this.#runAgain(cluster))
  }

  async #runAgain(cluster: Cluster): Promise<void> {
    this.#claim = undefined
    for (let pauseMs = restartPauseMs.first; !this.#stopping;) {
      try {
        await this.#run(cluster)
        return
      } catch (error) {
        this.#onLog(`it does not start yet: ${error instanceof Error ? error.message : String(error)}`)
        await sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, restartPauseMs.longest)
      }
    }
  }
}

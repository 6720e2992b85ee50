import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BusbarError } from '../errors.ts'
import { readAccess, urlOf } from './embedded-access.ts'
import type { Access } from './embedded-access.ts'
import { prepareBinaries } from './embedded-binaries.ts'
import type { Claim } from './embedded-claim.ts'
import { takeClaim } from './embedded-claim.ts'
import { initialize, serverPid } from './embedded-cluster.ts'
import type { Cluster } from './embedded-cluster.ts'
import { codeOf, failed } from './embedded-errors.ts'
import { boundLog } from './embedded-files.ts'
import { findHome, openHome } from './embedded-home.ts'
import { showPresence } from './embedded-presence.ts'
import type { Presence } from './embedded-presence.ts'
import { startServer, stopServer } from './embedded-server.ts'
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
  const access = await readAccess(await findHome(resolve(folder)))
  return access && urlOf(access)
}

/**
 * Runs a private PostgreSQL with its data in `folder`, on loopback, durable (fsync), for this process alone: a folder
 * whose busbar is alive is refused (`embedded.in-use`), the server of one that was killed is adopted, and a server that
 * dies is started again at the same address. Started as root it runs as another user. Throws `embedded.unsupported`
 * where the programs cannot run, `embedded.failed` when the data cannot be set up or started.
 */
export async function startEmbedded(options: {
  readonly folder: string
  /** Told in words of what takes long or is unusual. */
  readonly onLog?: (message: string) => void
}): Promise<Embedded> {
  const { onLog = () => undefined } = options
  const folder = resolve(options.folder)
  try {
    const { path: home, account } = await openHome(folder, onLog)
    const binaries = await prepareBinaries({ account, shelter: home })
    const cluster = { home, data: join(home, 'data'), log: join(home, 'postgres.log'), account, binaries }
    const server = new Server({ folder, cluster, onLog })
    return { ...(await server.start()), stop: () => server.stop() }
  } catch (error) {
    if (error instanceof BusbarError || codeOf(error) === undefined) throw error
    throw failed(`the embedded PostgreSQL cannot use ${folder}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

const pauseMs = { firstRestart: 250, longestRestart: 5_000, betweenLogChecks: 600_000 }

/** Owns the server and the claim on it. */
class Server {
  readonly #folder: string
  readonly #cluster: Cluster
  readonly #onLog: (message: string) => void
  readonly #stopRequested = new AbortController()
  #presence: Presence | undefined
  #claim: Claim | undefined
  #logCheck: NodeJS.Timeout | undefined
  #stopped: Promise<void> | undefined
  #restarting: Promise<void> = Promise.resolve()

  constructor(parts: { folder: string; cluster: Cluster; onLog: (message: string) => void }) {
    this.#folder = parts.folder
    this.#cluster = parts.cluster
    this.#onLog = parts.onLog
  }

  async start(): Promise<Pick<Embedded, 'url' | 'fresh' | 'adopted'>> {
    this.#presence = await showPresence({ ...this.#cluster, folder: this.#folder })
    const started = await this.#run({ keepPort: false }).catch(async (error: unknown) => {
      await this.#presence?.end({ leave: false }) // it may be another busbar's too
      throw error
    })
    if (started.adopted) this.#onLog('the embedded PostgreSQL was still running, its busbar was not: adopted')
    this.#logCheck = setInterval(() => void this.#boundLog(), pauseMs.betweenLogChecks).unref()
    return started
  }

  stop(): Promise<void> {
    this.#stopRequested.abort()
    clearInterval(this.#logCheck)
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    await this.#restarting
    const claim = this.#claim
    // Without a claim it could not be started again, or another busbar has adopted it meanwhile.
    if (!claim) return this.#presence?.end({ leave: false })
    await this.#stopServer()
    await claim.release()
    await this.#presence?.end({ leave: true })
  }

  async #stopServer(): Promise<void> {
    if (!(await stopServer(this.#cluster)))
      this.#onLog('the embedded PostgreSQL has not ended within a minute; it goes on ending')
  }

  /** Has the server run and claims it, whoever started it: the first start, adoption and recovery are one path. */
  async #run(options: { keepPort: boolean }): Promise<Pick<Embedded, 'url' | 'fresh' | 'adopted'>> {
    const lock = takeStartLock(this.#cluster.home)
    try {
      const { access, fresh } = await initialize(this.#cluster)
      if ((await serverPid(this.#cluster)) !== undefined && (await this.#adopt(access)))
        return { url: urlOf(access), fresh, adopted: true }
      const inForce = await startServer(this.#cluster, { access, ...options })
      try {
        await this.#claimServer(inForce)
      } catch (error) {
        await this.#stopServer()
        throw error
      }
      return { url: urlOf(inForce), fresh, adopted: false }
    } finally {
      lock.release()
    }
  }

  /** False when the server that seemed to run was just ending. */
  async #adopt(access: Access): Promise<boolean> {
    try {
      await this.#claimServer(access)
      return true
    } catch (error) {
      if ((await serverPid(this.#cluster)) !== undefined) throw error
      return false
    }
  }

  async #claimServer(access: Access): Promise<void> {
    this.#claim = await takeClaim({
      url: urlOf(access),
      folder: this.#folder,
      onLost: () => this.#lost(),
      isThere: async () => (await serverPid(this.#cluster)) !== undefined,
      onLog: this.#onLog,
    })
  }

  #lost(): void {
    this.#claim = undefined
    if (this.#stopRequested.signal.aborted) return
    this.#onLog('the embedded PostgreSQL has ended unexpectedly; it is started again')
    this.#restarting = this.#restarting.then(() => this.#runAgain())
  }

  async #runAgain(): Promise<void> {
    const { signal } = this.#stopRequested
    for (let pause = pauseMs.firstRestart; !signal.aborted;) {
      try {
        await this.#run({ keepPort: true })
        this.#onLog('the embedded PostgreSQL runs again')
        return
      } catch (error) {
        this.#onLog(`it does not start yet: ${error instanceof Error ? error.message : String(error)}`)
        await sleep(pause, undefined, { signal }).catch(() => undefined)
        pause = Math.min(pause * 2, pauseMs.longestRestart)
      }
    }
  }

  async #boundLog(): Promise<void> {
    await boundLog(this.#cluster.log, this.#cluster.account).catch((error: unknown) =>
      this.#onLog(`PostgreSQL's log cannot be kept small: ${String(error)}`),
    )
  }
}

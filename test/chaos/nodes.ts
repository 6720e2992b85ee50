import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { NodeSettings } from './node.ts'

const restartPauseMs = 300
/** Exit code of a node that could not start now. */
const notNow = 75

/** One busbar process that is started again whenever it ends. */
export class SupervisedNode {
  readonly name: string
  readonly #settings: NodeSettings
  readonly #onOddEnd: (what: string) => void
  #process: ChildProcess | undefined
  #expectsEnd = false
  #stopped = false
  starts = 0

  constructor(options: { name: string; settings: NodeSettings; onOddEnd: (what: string) => void }) {
    this.name = options.name
    this.#settings = options.settings
    this.#onOddEnd = options.onOddEnd
  }

  get door(): string {
    return `http://127.0.0.1:${this.#settings.port}`
  }

  /** Starts it; resolves when it serves for the first time. */
  start(): Promise<void> {
    return new Promise((resolve) => this.#start(resolve))
  }

  #start(onStarted: () => void): void {
    if (this.#stopped) return
    this.#expectsEnd = false
    const child = fork(new URL('./node.ts', import.meta.url), [JSON.stringify(this.#settings)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#process = child
    child.once('message', (message: { started?: boolean }) => {
      if (!message.started) return
      this.starts++
      onStarted()
    })
    child.once('exit', (code, signal) => {
      if (!this.#expectsEnd && !this.#stopped && code !== notNow)
        this.#onOddEnd(`${this.name} ended by itself: code ${code}, signal ${signal}`)
      if (!this.#stopped) setTimeout(() => this.#start(onStarted), restartPauseMs)
    })
  }

  /** Of the process that runs now, or ran last. */
  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** kill -9. */
  kill(): void {
    void this.end('SIGKILL')
  }

  /** Ends it, to be started again; answers how it ended. One that has ended already answers at once. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    this.#expectsEnd = true
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return 'had ended'
    const ended = exitOf(child)
    child.kill(signal)
    return ended
  }

  /** Stands still for so long, as a suspended machine does, then goes on. */
  async freeze(forMs: number): Promise<void> {
    const child = this.#process
    this.#expectsEnd = true // the watchdog may end it when it wakes up
    child?.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, forMs))
    child?.kill('SIGCONT')
  }

  /** Asks it to end; answers how it did. Killed when it takes longer than `withinMs`. */
  async stop(withinMs: number): Promise<string> {
    this.#stopped = true
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return 'code 0'
    const ended = exitOf(child)
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
    const how = await ended
    clearTimeout(timer)
    return how
  }
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `code ${code}`)),
  )
}

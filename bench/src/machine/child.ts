import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

/** As docs/operations.md advises: the young generation takes what it is given, busbar does not need it. */
const smallHeap = ['--max-semi-space-size=16']

export interface ChildOptions {
  /** Given to it as JSON. */
  readonly settings?: object
  /** Default: V8's own settings, as a user's process has them. */
  readonly smallHeap?: boolean
  /** A folder for a CPU profile. */
  readonly profileIn?: string | undefined
}

/** One process of the bench. It answers in turn: what is asked while it answers something else waits. */
export class Child {
  static readonly #all = new Set<Child>()
  readonly #process: ChildProcess
  readonly #ended: Promise<never>
  readonly #exit: Promise<unknown>
  #answered: Promise<unknown> = Promise.resolve()

  constructor(file: URL, { settings = {}, smallHeap: small = false, profileIn }: ChildOptions = {}) {
    this.#process = fork(file, [JSON.stringify(settings)], {
      execArgv: [
        ...(small ? smallHeap : []),
        ...(profileIn === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileIn}`]),
      ],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#exit = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#ended = this.#exit.then((code) => {
      Child.#all.delete(this)
      throw new Error(`${file.pathname.split('/').at(-1)} ended with ${String(code)}`)
    })
    this.#ended.catch(() => undefined)
    Child.#all.add(this)
  }

  static async killAll(): Promise<void> {
    await Promise.all([...Child.#all].map((child) => child.stop()))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** What it says next; rejects when it ends instead, or says that it has failed. */
  async next<T>(): Promise<T> {
    const message = new Promise<T & { failed?: string }>((resolve) =>
      this.#process.once('message', (value) => resolve(value as T & { failed?: string })),
    )
    const said = await Promise.race([message, this.#ended])
    if (said.failed !== undefined) throw new Error(said.failed)
    return said
  }

  /** Two questions at once would both take the first answer, and all later ones that of the question before. */
  ask<T>(message: object): Promise<T> {
    const answer = this.#answered.then(() => {
      const said = this.next<T>()
      this.#process.send(message)
      return said
    })
    this.#answered = answer.catch(() => undefined)
    return answer
  }

  /** Resolves when it has ended: as asked, or killed after twenty seconds. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    if (this.#process.connected) this.#process.send({ ask: 'stop' }, () => undefined)
    const killing = setTimeout(() => this.#process.kill('SIGKILL'), 20_000)
    await this.#exit
    clearTimeout(killing)
  }
}

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Direction, Impairment, ProxyCounts, ProxyOptions } from './proxy.ts'

/** What a proxy in another process is asked to do. */
export type ProxyAct =
  | { readonly act: 'impair'; readonly directions: Direction | 'both'; readonly impairment: Impairment }
  | { readonly act: 'cut'; readonly share: number }
  | { readonly act: 'refuse' | 'heal' | 'count' }

/** Its answer to the question with this number. */
export type ProxyAnswer = Done | { readonly id: number; readonly failed: string }

interface Done {
  readonly id: number
  readonly value: number
  readonly counts: ProxyCounts
}

/** Starts a proxy in a process of its own, which ends with this one. */
export async function startProxy(options: ProxyOptions): Promise<ProxyProcess> {
  const child = fork(new URL('./proxy-child.ts', import.meta.url), [JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port))
    child.once('exit', (code) => reject(new Error(`the proxy ended with ${code} before it listened`)))
  })
  return new ProxyProcess(child, port)
}

/** A proxy as `ChaosProxy` describes it, in another process. Each act resolves when it is done. */
export class ProxyProcess {
  readonly port: number
  readonly #child: ChildProcess
  readonly #asked = new Map<number, (answer: ProxyAnswer) => void>()
  #next = 0

  constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    child.on('message', (answer: ProxyAnswer) => {
      this.#asked.get(answer.id)?.(answer)
      this.#asked.delete(answer.id)
    })
    child.once('exit', () => {
      for (const [id, answered] of this.#asked) answered({ id, failed: 'the proxy has ended' })
    })
  }

  async impair(directions: Direction | 'both', impairment: Impairment): Promise<void> {
    await this.#ask({ act: 'impair', directions, impairment })
  }

  async cut({ share = 1 }: { readonly share?: number } = {}): Promise<number> {
    return (await this.#ask({ act: 'cut', share })).value
  }

  async refuse(): Promise<void> {
    await this.#ask({ act: 'refuse' })
  }

  async heal(): Promise<void> {
    await this.#ask({ act: 'heal' })
  }

  async counts(): Promise<ProxyCounts> {
    return (await this.#ask({ act: 'count' })).counts
  }

  /** Ends the process, and with it all connections. Safe to call twice. */
  async close(): Promise<void> {
    const child = this.#child
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  async #ask(act: ProxyAct): Promise<Done> {
    const id = this.#next++
    const answer = await new Promise<ProxyAnswer>((resolve) => {
      this.#asked.set(id, resolve)
      this.#child.send({ id, ...act }, (error) => error && resolve({ id, failed: error.message }))
    })
    if ('failed' in answer) throw new Error(answer.failed)
    return answer
  }
}

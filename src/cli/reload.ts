import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { watch } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findConfigFile } from './config-file.ts'
import type { Context } from './context.ts'
import { styled } from './terminal.ts'

const settleMs = 150
const ignored = /(^|[/\\])(node_modules|\.busbar|\.git|dist|coverage)([/\\]|$)|[~#]$|\.log$|\.tmp$/
/** This program's entry, beside this file, in whichever form it runs. */
const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url),
)

/**
 * Runs `busbar start --dev` in a process of its own and starts it again whenever a file of the project changes; a project
 * that does not start is tried again at the next change. Resolves when the user interrupts it.
 */
export async function developOn(context: Context, args: readonly string[]): Promise<void> {
  const config = await findConfigFile(context.options.config)
  const project = dirname(config)
  const child = new Restartable(['start', '--dev', '--config', config, ...args])
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
  let timer: NodeJS.Timeout | undefined
  const watcher = watch(project, { recursive: true }, (_event, file) => {
    if (file === null || ignored.test(file)) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      context.terminal.err(styled(context.terminal, 'dim', `${relative('.', file)} changed: starting again`))
      child.restart()
    }, settleMs)
  })
  child.restart()
  await interrupted
  clearTimeout(timer)
  watcher.close()
  await child.stop()
}

/** One child process at a time: the next is started when the last has ended. */
class Restartable {
  readonly #args: readonly string[]
  #process: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #changing: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(args: readonly string[]) {
    this.#args = args
  }

  restart(): void {
    this.#changing = this.#changing.then(async () => {
      await this.#end()
      if (this.#stopped) return
      const child = fork(entry, this.#args, {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        detached: true,
      })
      this.#process = child
      this.#ended = new Promise((resolve) => child.once('exit', () => resolve()))
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#changing
    await this.#end()
  }

  async #end(): Promise<void> {
    this.#process?.kill('SIGTERM')
    await this.#ended
    this.#process = undefined
  }
}

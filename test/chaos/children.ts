/** Child processes of a chaos run, and the PostgreSQL of its own. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Tells people what happens. */
export const say = (line: string) => process.stderr.write(`${line}\n`)

export function child(file: string, args: readonly string[]): ChildProcess {
  return fork(new URL(file, import.meta.url), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

export function message<T>(from: ChildProcess): Promise<T> {
  return new Promise((resolve) => from.once('message', (value) => resolve(value as T)))
}

export function ask<T>(of: ChildProcess): Promise<T> {
  const answer = message<T>(of)
  of.send({})
  return answer
}

export function untilDone(generator: ChildProcess): Promise<{ resent: number }> {
  return new Promise((resolve) =>
    generator.on('message', (value: { done?: boolean; acknowledged: number; resent?: number }) => {
      if (value.acknowledged % 5_000 < 1_000 && !value.done) say(`${value.acknowledged} acknowledged`)
      if (value.done) resolve({ resent: value.resent ?? 0 })
    }),
  )
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Once it runs: it may just be starting again. */
export async function killPostgres(postmaster: () => Promise<number>): Promise<void> {
  for (;;) {
    try {
      process.kill(await postmaster(), 'SIGKILL')
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      await sleep(200)
    }
  }
}

/** The process id of the PostgreSQL in a folder, once it runs. */
export async function pidOf(folder: string): Promise<number> {
  const text = await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (pid > 1) return pid
  await sleep(200) // it is just starting
  return pidOf(folder)
}

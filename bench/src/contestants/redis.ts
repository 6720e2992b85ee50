import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { sleep } from '../traffic/clock.ts'

/** A Redis that answers a write after its fsync, as BullMQ's documentation has it otherwise (appendonly, noeviction). */
export async function startRedis(
  folder: string,
): Promise<{ port: number; pid: number; stop(): Promise<void> }> {
  const port = await freePort()
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    'maxmemory-policy': 'noeviction',
  }
  const redis = spawn(
    'redis-server',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    { stdio: 'ignore' },
  )
  const ended = new Promise<void>((resolve) => redis.once('exit', () => resolve()))
  const failed = new Promise<never>((_, reject) =>
    redis.once('error', (cause) => reject(new Error('redis-server cannot be started', { cause }))),
  )
  await Promise.race([untilListening(port), failed])
  const killed = () => redis.kill('SIGKILL')
  process.once('exit', killed)
  return {
    port,
    pid: redis.pid ?? 0,
    async stop() {
      process.off('exit', killed)
      redis.kill('SIGTERM')
      await ended
    },
  }
}

function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  return new Promise((resolve) =>
    server.once('listening', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    }),
  )
}

async function untilListening(port: number): Promise<void> {
  for (let trial = 0; trial < 100; trial++) {
    const listens = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (listens) return
    await sleep(100)
  }
  throw new Error('redis-server does not answer')
}

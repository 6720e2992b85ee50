import { Worker as Thread } from 'node:worker_threads'

/** Ends the watching. Safe to call twice. */
export interface Watchdog {
  stop(): Promise<void>
}

const tickMs = 500

/** Runs in a thread of its own: counts its own ticks without a sign of life, so that a process that was stopped as a whole is not blamed. */
const threadSource = `
const { workerData } = require('node:worker_threads')
const beats = new Int32Array(workerData.shared)
let last = -1, silent = 0
setInterval(() => {
  const now = Atomics.load(beats, 0)
  silent = now === last ? silent + 1 : 0
  last = now
  if (silent * workerData.tickMs >= workerData.maxSilenceMs) process.kill(process.pid, 'SIGKILL')
}, workerData.tickMs)
`

/**
 * Kills this process when its event loop has stood still for `maxSilenceMs` (default 6 s, the lease): its lease is gone
 * then, and a mapping that loops for ever must not hold the process for ever. The next owner finds out which event it was.
 */
export function startWatchdog(maxSilenceMs = 6_000): Watchdog {
  const shared = new SharedArrayBuffer(4)
  const beats = new Int32Array(shared)
  const thread = new Thread(threadSource, {
    eval: true,
    workerData: { shared, tickMs, maxSilenceMs },
    stdin: false,
  })
  thread.unref()
  const timer = setInterval(() => Atomics.add(beats, 0, 1), tickMs / 2)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await thread.terminate()
    },
  }
}

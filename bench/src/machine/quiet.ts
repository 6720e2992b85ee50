import { sleep } from '../traffic/clock.ts'
import { busySeconds, processors } from './proc.ts'

/** Idle: below this share of all processors in each of so many seconds. */
const idle = { share: 0.08, seconds: 3 }
/** A run beside which others have used more than this share of all processors is disturbed. */
export const disturbedAbove = 0.05

/** Resolves when the machine is idle, with true; or, after the longest wait, with false. */
export async function untilIdle({ longestMs }: { readonly longestMs: number }): Promise<boolean> {
  const deadline = performance.now() + longestMs
  for (let quiet = 0; quiet < idle.seconds;) {
    if (performance.now() > deadline) return false
    const before = busySeconds()
    await sleep(1_000)
    quiet = (busySeconds() - before) / processors < idle.share ? quiet + 1 : 0
  }
  return true
}

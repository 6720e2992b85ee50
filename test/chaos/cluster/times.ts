import { say } from '../children.ts'
import { CpuGauge } from './cpu-gauge.ts'

/** A process that waits for this many times the CPU that it gets says nothing about busbar's own speed. */
const mostWait = 4

/** Times by what they are of. */
export class Times {
  readonly #all = new Map<string, number[]>()
  readonly #gauge = new CpuGauge()
  /** What took longer than its bound, in words. */
  readonly late: string[] = []
  /** The same where other programs had the machine meanwhile. */
  readonly starved: string[] = []

  /** Notes a time in milliseconds, if there is one to note; one without a bound is only shown. */
  note(what: string, ms: number | undefined, boundMs?: number): void {
    if (ms === undefined) return
    this.#all.set(what, [...(this.#all.get(what) ?? []), ms])
    if (boundMs === undefined || ms <= boundMs) return
    const wait = this.#gauge.waitOver(ms)
    const words = `${what} took ${Math.round(ms)} ms, more than ${boundMs} ms`
    if (wait <= mostWait) return void this.late.push(words)
    this.starved.push(words)
    say(`${words}; the machine gave a process 1/${wait.toFixed(1)} of a core meanwhile`)
  }

  /** How much longer than its CPU time a process took in the mean: 1 where nobody waits. */
  get wait(): number {
    return this.#gauge.waitOver(Number.POSITIVE_INFINITY)
  }

  /** Ends the measuring of the machine. */
  close(): void {
    this.#gauge.close()
  }

  /** Each as a distribution in seconds. */
  inWords(): Record<string, string> {
    const seconds = (ms = 0) => (ms / 1_000).toFixed(2)
    return Object.fromEntries(
      [...this.#all].map(([what, times]) => {
        const sorted = times.toSorted((one, other) => one - other)
        const middle = sorted[Math.floor((sorted.length - 1) / 2)]
        return [
          what,
          `${times.length} times, ${seconds(sorted[0])} / ${seconds(middle)} / ${seconds(sorted.at(-1))} s (least, median, most)`,
        ]
      }),
    )
  }
}

/** How long CPU time takes on this machine now: others may have most of it. */
export class CpuGauge {
  readonly #samples: { readonly at: number; readonly wait: number }[] = []
  readonly #timer = setInterval(() => this.#sample(), 500)

  /** Wall time over CPU time in the mean of the last `ms`; 1 where nobody waits. */
  waitOver(ms: number): number {
    const since = performance.now() - ms
    const waits = this.#samples.filter(({ at }) => at >= since).map(({ wait }) => wait)
    return waits.length === 0 ? 1 : waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Works for five milliseconds, which is longer than a scheduler lets others wait for. */
  #sample(): void {
    const startedAt = performance.now()
    const before = cpuMs()
    let used = 0
    while (used < 5) used = cpuMs() - before
    const at = performance.now()
    this.#samples.push({ at, wait: (at - startedAt) / used })
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

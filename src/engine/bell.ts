/** Wakes the one loop that waits; a ring while nobody waits is kept. */
export interface Bell {
  ring(): void
  wait(): Promise<void>
}

/** A new bell, not rung. */
export function createBell(): Bell {
  let rung = false
  let wake: (() => void) | undefined
  return {
    ring() {
      rung = true
      wake?.()
    },
    async wait() {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve))
      rung = false
      wake = undefined
    },
  }
}

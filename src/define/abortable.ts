/** Something under way that can be ended from outside. */
export interface Abortable {
  abort(): void
}

/** Ends what is under way when somebody says so: a listener of an `AbortSignal` for each would cost as much as a whole call. */
export interface UnderWay {
  /** `abort` is called when it is over before `ended` was. */
  begun(abortable: Abortable): void
  ended(abortable: Abortable): void
}

/** What is under way until this signal aborts. */
export function underWayUntil(signal: AbortSignal): UnderWay {
  const all = new Set<Abortable>()
  signal.addEventListener('abort', () => {
    for (const each of all) each.abort()
  })
  return { begun: (each) => void all.add(each), ended: (each) => void all.delete(each) }
}

import { storedCalendars } from '../define/maintenance.ts'
import type { Connector, CredentialFacts, System } from '../define/system.ts'
import type { DeclaredSystem, WatchJournal } from '../journal/port.ts'

/** A system's rules, as they are kept for people. */
export function declaredSystem({ name, label, settings }: System): DeclaredSystem {
  const { concurrency, rate, breaker, keyLifeMs, timeoutMs, maintenance } = settings
  return {
    name,
    settings: {
      label,
      concurrency,
      rate: rate ?? null,
      breaker,
      keyLifeMs,
      timeoutMs,
      maintenance: storedCalendars(maintenance),
    },
  }
}

/** Says in the journal what credentials each system is called with, when that has changed. */
export class CredentialWatch {
  readonly #journal: Pick<WatchJournal, 'writeCredentials'>
  readonly #onError: (error: unknown) => void
  readonly #known = new Map<number, CredentialFacts>()

  constructor(journal: Pick<WatchJournal, 'writeCredentials'>, onError: (error: unknown) => void) {
    this.#journal = journal
    this.#onError = onError
  }

  look(system: number, connector: Connector<unknown>): void {
    const facts = connector.credentials?.()
    if (!facts || isSame(facts, this.#known.get(system))) return
    this.#known.set(system, facts)
    this.#journal.writeCredentials(system, facts).catch((error: unknown) => {
      this.#known.delete(system)
      this.#onError(error)
    })
  }
}

function isSame(one: CredentialFacts, other: CredentialFacts | undefined): boolean {
  return one.kind === other?.kind && one.obtainedAt === other.obtainedAt && one.expiresAt === other.expiresAt
}

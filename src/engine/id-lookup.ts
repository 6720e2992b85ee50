import type { IdReference, Ids, LinkId, SystemName } from '../define/link.ts'
import { idReference, linkText, systemName } from '../define/link.ts'
import type { LinksJournal } from '../journal/port-links.ts'
import type { Clock } from './clock.ts'
import { sleep } from './clock.ts'

/** What the look-up needs. */
export interface IdLookupDeps {
  readonly journal: Pick<LinksJournal, 'externalIds' | 'canonicalIds'>
  readonly clock: Clock
  /** Aborts when the group is given up: nothing is answered any more. */
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}

const maxBatch = 500
const retryMs = 200

/**
 * Looks cross-references up in the journal, for all steps of a group together: one query at a time, and what is asked
 * meanwhile goes into the next. While the journal is away the answer waits; an attempt's own deadline ends that.
 */
export class IdLookup implements Ids {
  readonly #external: Ask<IdReference>
  readonly #canonical: Ask<Parameters<LinksJournal['canonicalIds']>[0][number]>

  constructor(deps: IdLookupDeps) {
    const { journal } = deps
    this.#external = gathered((names) => journal.externalIds(names), deps)
    this.#canonical = gathered((names) => journal.canonicalIds(names), deps)
  }

  async get(kind: string, id: LinkId, system: SystemName): Promise<string | undefined> {
    return (await this.#external(idReference(kind, id, system))) ?? undefined
  }

  async find(kind: string, system: SystemName, external: LinkId): Promise<string | undefined> {
    const name = {
      kind: linkText('kind', kind),
      system: linkText('system', systemName(system)),
      external: linkText(`external id of the ${kind}`, external),
    }
    return (await this.#canonical(name)) ?? undefined
  }

  /** Those of these ids that are not known. */
  async missing(references: readonly IdReference[]): Promise<readonly IdReference[]> {
    const found = await Promise.all(references.map((reference) => this.#external(reference)))
    return references.filter((_, place) => found[place] === null)
  }
}

type Ask<Name> = (name: Name) => Promise<string | null>

function gathered<Name>(
  look: (names: readonly Name[]) => Promise<readonly (string | null)[]>,
  deps: IdLookupDeps,
): Ask<Name> {
  const waiting: { readonly name: Name; readonly answer: (found: string | null) => void }[] = []
  let running = false
  const run = async () => {
    running = true
    while (waiting.length > 0 && !deps.signal.aborted) {
      const batch = waiting.splice(0, maxBatch)
      const found = await surely(() => look(batch.map(({ name }) => name)), deps)
      for (const [place, { answer }] of batch.entries()) answer(found[place] ?? null)
    }
    running = false
  }
  return (name) =>
    new Promise((answer) => {
      waiting.push({ name, answer })
      if (!running) void run()
    })
}

async function surely<T>(work: () => Promise<T>, { clock, signal, onError }: IdLookupDeps): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      // Nobody listens any more: the promise is left as it is.
      if (signal.aborted) return new Promise(() => undefined)
      onError(error)
      await sleep(clock, retryMs)
    }
  }
}

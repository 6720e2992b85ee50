import { BusbarError } from '../errors.ts'
import type { Flush, OwnerJournal } from '../journal/port.ts'

/** Somebody who gathers what is to be written. */
export interface JointMember {
  /** Others write in a moment: what is gathered may go along, if it is flushed now. */
  along(): void
}

interface Waiting {
  readonly flush: Flush
  readonly resolve: (answer: 'ok' | 'lost') => void
  readonly reject: (error: unknown) => void
}

/** Each number of groups is a statement of its own, prepared on each connection. */
const mostAtOnce = 16

/**
 * Writes what the groups of one worker have gathered in one transaction. Each commit waits for the disk, and all that want to
 * commit meanwhile wait for it, those who publish among them. Only runs that have succeeded go together: they take a share of
 * the row that fences their group, and no lock that others hold for long. All else, and how far a group has come, goes by itself.
 */
export class JointFlush {
  readonly #journal: Pick<OwnerJournal, 'flush' | 'flushAll'>
  readonly #members = new Set<JointMember>()
  #waiting: Waiting[] = []

  constructor(journal: Pick<OwnerJournal, 'flush' | 'flushAll'>) {
    this.#journal = journal
  }

  join(member: JointMember): void {
    this.#members.add(member)
  }

  leave(member: JointMember): void {
    this.#members.delete(member)
  }

  /** As `OwnerJournal.flush`. It may fail with its company; whoever gave it repeats it, and that goes by itself. */
  flush(flush: Flush): Promise<'ok' | 'lost'> {
    if (this.#members.size < 2 || !isPlain(flush)) return this.#journal.flush(flush)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ flush, resolve, reject })
      if (this.#waiting.length === 1) void this.#gather()
    })
  }

  async #gather(): Promise<void> {
    for (const member of this.#members) member.along()
    await Promise.resolve() // in which they do: behind what is given in this turn
    const waiting = this.#waiting
    this.#waiting = []
    for (let from = 0; from < waiting.length; from += mostAtOnce)
      void this.#write(waiting.slice(from, from + mostAtOnce))
  }

  async #write(together: readonly Waiting[]): Promise<void> {
    if (together.length === 1) return this.#alone(together)
    try {
      const answer = await this.#journal.flushAll(together.map(({ flush }) => flush))
      // Then nothing was written, and each learns by itself whether it is the one.
      if (answer === 'lost') return this.#alone(together)
      for (const { resolve } of together) resolve(answer)
    } catch (error) {
      // Of what one of them says, and surely not written.
      if (error instanceof BusbarError && error.code === 'event.invalid') return this.#alone(together)
      for (const { reject } of together) reject(error)
    }
  }

  #alone(each: readonly Waiting[]): void {
    for (const { flush, resolve, reject } of each) this.#journal.flush(flush).then(resolve, reject)
  }
}

/** What is repeated learns its own outcome under its own number: one that always fails must not do so for others. */
function isPlain(flush: Flush): boolean {
  const { runs, steps, attempts, problems, signals, links, linkWaits, sequences } = flush
  const more = [runs, steps, attempts, problems, signals, links, linkWaits, sequences]
  return !flush.again && flush.claimedTo === 0 && more.every((rows) => rows.length === 0)
}

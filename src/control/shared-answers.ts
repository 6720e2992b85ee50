import type { IncomingHttpHeaders } from 'node:http'
import type { RouteId } from './route-table.ts'

/** An answer is given to those who ask within so long. */
const keptMs = 1_000

/** What many look at, at the same moment: told by the stream of changes, all of them ask at once. */
const looks: ReadonlySet<RouteId> = new Set<RouteId>([
  'now',
  'status',
  'map',
  'listSystems',
  'listProblems',
  'listEvents',
  'listRuns',
])

/** Whether the caller says that an answer of a second ago will do (`cache-control: max-age=1`, RFC 9111), and there may be one. */
export function isShared(id: RouteId, headers: IncomingHttpHeaders): boolean {
  return looks.has(id) && /\bmax-age=0*[1-9]/.test(headers['cache-control'] ?? '')
}

/**
 * Answers that were made lately, so that many who look cost the database no more than one. None is older than a second, or
 * than the last change that this process knows of.
 */
export class SharedAnswers {
  readonly #answers = new Map<string, Promise<string>>()

  /** The answer of this name: one that is there or being made, else what `make` makes. */
  take(name: string, make: () => Promise<string>): Promise<string> {
    const there = this.#answers.get(name)
    if (there) return there
    const answer = make()
    this.#answers.set(name, answer)
    const drop = () => {
      if (this.#answers.get(name) === answer) this.#answers.delete(name)
    }
    answer.catch(drop)
    setTimeout(drop, keptMs).unref()
    return answer
  }

  /** Something has changed: whoever asks from now on is answered anew. */
  forget(): void {
    this.#answers.clear()
  }
}

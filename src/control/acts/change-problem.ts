import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { findProblem } from '../queries/problems.ts'
import type { Problem, ProblemChange } from '../schema/problem.ts'

/**
 * Says something about a problem: acknowledged, ignored (until a moment) or open again, who looks after it, a note, where
 * it is written what to do; what is left out stays, null takes away. With its audit row, unless nothing changes. Throws
 * `request.not-found`, and `request.invalid` for a moment that does not go with it.
 */
export async function changeProblem(
  database: Database,
  act: { readonly fingerprint: string; readonly change: ProblemChange; readonly actor: string },
): Promise<Problem> {
  const { fingerprint, change, actor } = act
  const { ignoredUntil, ...rest } = change
  checkUntil(change)
  await database.query({
    text: 'SELECT change_problem($1, $2::jsonb, $3)',
    values: [
      fingerprint,
      JSON.stringify({ ...rest, ...(rest.state === 'ignored' && { ignored_until: ignoredUntil ?? null }) }),
      actor,
    ],
  })
  const problem = await findProblem(database, fingerprint)
  if (!problem) throw new BusbarError('request.not-found', `there is no problem ${fingerprint}`)
  return problem
}

function checkUntil({ state, ignoredUntil }: ProblemChange): void {
  if (ignoredUntil === undefined || ignoredUntil === null) return
  const message =
    state !== 'ignored'
      ? 'ignoredUntil goes with state "ignored"'
      : Date.parse(ignoredUntil) <= Date.now()
        ? 'ignoredUntil is over already: give a moment to come'
        : undefined
  if (message === undefined) return
  const pointer = '/body/ignoredUntil'
  throw new BusbarError('request.invalid', message, { details: { faults: [{ pointer, message }] } })
}

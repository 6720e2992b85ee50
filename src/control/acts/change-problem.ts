import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import { findProblem } from '../queries/problems.ts'
import type { ProblemChange } from '../schema/act.ts'
import type { Problem } from '../schema/overview.ts'

/**
 * Says something about a problem: acknowledged, ignored or open again, who looks after it, a note; what is left out stays,
 * null takes away. With its audit row, unless nothing changes. Throws `request.not-found`.
 */
export async function changeProblem(
  database: Database,
  act: { readonly fingerprint: string; readonly change: ProblemChange; readonly actor: string },
): Promise<Problem> {
  const { fingerprint, change, actor } = act
  await database.query({
    text: 'SELECT change_problem($1, $2::jsonb, $3)',
    values: [fingerprint, JSON.stringify(change), actor],
  })
  const problem = await findProblem(database, fingerprint)
  if (!problem) throw new BusbarError('request.not-found', `there is no problem ${fingerprint}`)
  return problem
}

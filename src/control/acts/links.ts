import { BusbarError } from '../../errors.ts'
import type { Database } from '../../journal/database.ts'
import type { LinkChange, RemoveLinkBody, SetLinkBody } from '../schema/link.ts'

interface SetRow {
  readonly result: 'done' | 'same' | 'held' | 'taken'
  readonly held_ext: string | null
  readonly held_id: string | null
}

/**
 * Says which id an object has in a system, with its audit row; runs that wait for it go on, and a conflict about it is
 * over. What is so already stays so. Throws `link.conflict` when the object has another id there and `replace` was not
 * said, or when the id belongs to another object, which must be taken away from that one first.
 */
export async function setLink(database: Database, act: SetLinkBody, actor: string): Promise<LinkChange> {
  const { kind, id, system, external, replace, reason } = act
  const [row] = await database.query<SetRow>({
    text: 'SELECT * FROM set_link($1, $2, $3, $4, $5, $6, $7)',
    values: [kind, id, system, external, replace, actor, reason],
  })
  const { result = 'done', held_ext: before = null, held_id: holder = null } = row ?? {}
  if (result === 'held')
    throw new BusbarError(
      'link.conflict',
      `${kind} ${id} has the id ${before} in ${system}: to have ${external} in its place, say replace (--replace)`,
    )
  if (result === 'taken')
    throw new BusbarError(
      'link.conflict',
      `the id ${external} in ${system} belongs to ${kind} ${holder}: remove it there first`,
    )
  return { kind, id, system, before, after: external }
}

/** Takes an object's id in a system away, with its audit row. Throws `request.not-found` when it has none. */
export async function removeLink(
  database: Database,
  { kind, id, system, reason }: RemoveLinkBody,
  actor: string,
): Promise<LinkChange> {
  const [row] = await database.query<{ removed: string | null }>({
    text: 'SELECT remove_link($1, $2, $3, $4, $5) AS removed',
    values: [kind, id, system, actor, reason],
  })
  const before = row?.removed ?? null
  if (before === null) throw new BusbarError('request.not-found', `${kind} ${id} has no id in ${system}`)
  return { kind, id, system, before, after: null }
}

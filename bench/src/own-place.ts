import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** Where one system works during one run. */
export interface OwnPlace {
  readonly schema: string
  readonly folder: string
  /** Removes both. */
  readonly remove: () => Promise<void>
}

let places = 0

/** A schema of its own, that the system makes, and a folder of its own. */
export async function ownPlace(client: pg.Client): Promise<OwnPlace> {
  const schema = `bench_${process.pid}_${++places}`
  const folder = await mkdtemp(join(tmpdir(), 'busbar-bench-'))
  await chmod(folder, 0o711) // started by root, PostgreSQL runs as another user, who must get in
  return {
    schema,
    folder,
    async remove() {
      await client.query(`DROP SCHEMA IF EXISTS ${pg.escapeIdentifier(schema)} CASCADE`)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

import { BusbarError } from '../errors.ts'

/** Why the embedded PostgreSQL cannot run on this machine at all, and what to use instead. */
export function unsupported(why: string, cause?: unknown): BusbarError {
  return new BusbarError(
    'embedded.unsupported',
    `the embedded PostgreSQL cannot run here: ${why}. Use a PostgreSQL server instead: set ` +
      '`journal: postgres({ url })` in the config, with a server from your system ' +
      '("apt install postgresql"), a container (image "postgres:18") or a cloud provider',
    { cause },
  )
}

/** The folder belongs to a busbar that is alive. `phase` is `starting` while that one has no database to show yet. */
export function inUse(facts: {
  folder: string
  pid: number | undefined
  phase: 'starting' | 'running'
  elsewhere?: true
}): BusbarError {
  const where = facts.elsewhere ? ' on another machine or in another container' : ''
  const who = facts.pid === undefined ? `another busbar${where}` : `another busbar (process ${facts.pid})`
  const does = facts.phase === 'starting' ? 'is just starting in' : 'is running in'
  return new BusbarError(
    'embedded.in-use',
    `${who} ${does} ${facts.folder}: stop it first, or give this one a folder of its own`,
    { details: facts },
  )
}

/** The embedded PostgreSQL could not be set up or started; `message` says what to do. */
export function failed(message: string, options: { cause?: unknown; log?: string } = {}): BusbarError {
  return new BusbarError('embedded.failed', message, {
    cause: options.cause,
    details: options.log === undefined ? {} : { log: options.log },
  })
}

/** The system's own code of a failed call (`ENOENT`, …), undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

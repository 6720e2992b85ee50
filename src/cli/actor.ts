import { userInfo } from 'node:os'

/** Who works on the journal itself, in the audit trail; by number where the account has no name, as in a container that runs under any uid. */
export function cliActor(): string {
  try {
    return `cli:${userInfo().username}`
  } catch {
    return `cli:${process.getuid?.() ?? 'unknown'}`
  }
}

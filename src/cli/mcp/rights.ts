import type { ControlClient } from '../../control/client.ts'
import { BusbarError } from '../../errors.ts'

/** No problem can have it: fingerprints are longer. */
const none = '-'

/**
 * Whether the key may act: asks for an act on a problem that cannot exist, which a key without the scope `operate` is
 * refused before anything is looked up. Changes nothing. Throws `config.invalid` when it may not, and whatever keeps
 * busbar from answering.
 */
export async function checkMayAct(client: ControlClient): Promise<void> {
  try {
    await client.changeProblem({ fingerprint: none })
  } catch (error) {
    const code = error instanceof BusbarError ? error.code : undefined
    if (code === 'request.not-found') return
    if (code !== 'request.forbidden') throw error
    throw new BusbarError(
      'config.invalid',
      '--allow-acts needs a key with the scope operate: make one with "busbar keys create agent --scopes read,operate", or leave --allow-acts out',
      { cause: error },
    )
  }
}

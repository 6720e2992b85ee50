import { afterAll, beforeAll, describe } from 'vitest'
import { actsContract } from './journal-contract-acts.ts'
import { clusterContract } from './journal-contract-cluster.ts'
import { echoesContract } from './journal-contract-echoes.ts'
import { lanesContract } from './journal-contract-lanes.ts'
import { linksContract } from './journal-contract-links.ts'
import { logRacesContract } from './journal-contract-log-races.ts'
import { logContract } from './journal-contract-log.ts'
import { orderingContract } from './journal-contract-ordering.ts'
import { ownerContract } from './journal-contract-owner.ts'
import { racesContract } from './journal-contract-races.ts'
import { stepsContract } from './journal-contract-steps.ts'
import { systemsContract } from './journal-contract-systems.ts'
import { partitionsContract } from './journal-contract-partitions.ts'
import { takeoverContract } from './journal-contract-takeover.ts'
import type { ContractContext, JournalCapabilities, JournalUnderTest } from './journal-under-test.ts'

const roles: Readonly<Record<string, (context: ContractContext) => void>> = {
  log: logContract,
  'log races': logRacesContract,
  owner: ownerContract,
  lanes: lanesContract,
  steps: stepsContract,
  ordering: orderingContract,
  links: linksContract,
  cluster: clusterContract,
  takeover: takeoverContract,
  partitions: partitionsContract,
  systems: systemsContract,
  acts: actsContract,
  echoes: echoesContract,
  races: racesContract,
}

/**
 * The promises of the `Journal` port, one case each, for every adapter to run: `open` gives a journal over an empty
 * store, once per role. A1, A5 and the like name the traps of the design that a case springs.
 */
export function journalContract(
  name: string,
  open: () => Promise<JournalUnderTest>,
  capabilities: JournalCapabilities,
): void {
  describe(`the journal on ${name}`, () => {
    for (const [role, contract] of Object.entries(roles)) {
      describe(role, () => {
        let world: JournalUnderTest
        beforeAll(async () => {
          world = await open()
        })
        afterAll(() => world.close())
        contract({ world: () => world, capabilities })
      })
    }
  })
}

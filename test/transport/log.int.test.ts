import { openLogRig } from './rig.ts'
import { transportContract } from './transport-contract.ts'

transportContract('the log', openLogRig)

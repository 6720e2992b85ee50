import { describeWithBroker } from '../rabbitmq/rig.ts'
import { openRabbitmqRig } from './rig.ts'
import { transportContract } from './transport-contract.ts'

transportContract('rabbitmq', openRabbitmqRig, describeWithBroker)

/** For tests of one's own flows: `startWorld`, `stub`. For adapters: the journal's contract suite (needs vitest). */
export { startWorld } from './world.ts'
export type { World, WorldLink, WorldOptions, WorldRun, WorldStepAct } from './world.ts'
export type { WorldExpected, WorldProblem } from './world-records.ts'
export type { WorldReplay, WorldSelection } from './world-replay.ts'
export { stub } from './stub.ts'
export type { Stub, StubAnswer, StubCall, StubOptions, StubRequest } from './stub.ts'

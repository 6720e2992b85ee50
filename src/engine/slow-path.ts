import type { ClaimedRun, GroupLease, OwnerJournal, ParkedRuns, SequenceMark } from '../journal/port.ts'
import type { Strangers } from '../journal/port-versions.ts'
import type { Bell } from './bell.ts'
import { createBell } from './bell.ts'
import type { Cancel, Clock } from './clock.ts'
import { sleep } from './clock.ts'
import type { SystemGate } from './gate.ts'
import { numberRuns } from './numbering.ts'
import type { FlowRuntime, Run } from './run.ts'
import { restoreSteps, doubtSteps } from './restore.ts'
import { absentFlow } from './versions.ts'
import { newRun } from './run.ts'

/** What the slow path of one group needs. */
export interface SlowPathDeps {
  readonly lease: GroupLease
  readonly flows: ReadonlyMap<number, FlowRuntime>
  /** What its rows may speak of although this deployment does not. */
  readonly strangers: Strangers
  readonly gates: readonly SystemGate[]
  readonly journal: Pick<OwnerJournal, 'due' | 'claim' | 'hasSlowLanes'> & ParkedRuns
  readonly clock: Clock
  readonly leaseMs: number
  /** How many lanes may be taken now. */
  readonly room: () => number
  /** Systems for which enough of what was taken waits here: more would only fill memory. */
  readonly enough: () => ReadonlySet<number>
  /** Bytes of payload that all that is taken at once may have. */
  readonly maxBytes: number
  readonly careful: () => boolean
  /** What an earlier owner may have sent is not all read yet: a key's newest snapshot may be missing from its rows. */
  readonly readsSuspects: () => boolean
  readonly isFree: (key: string) => boolean
  /** Makes lanes due whose cross-references have come; absent where none can wait for one. */
  readonly releaseLinked?: () => Promise<void>
  readonly beginClaim: (key: string) => void
  /** Says of claimed runs whether their events are echoes. */
  readonly judge: (runs: readonly Run[]) => Promise<void>
  readonly endClaim: (key: string, runs: readonly Run[], mark?: SequenceMark) => void
  readonly onLost: () => void
  readonly onError: (error: unknown) => void
}

const pollMs = 200
const idlePollMs = 1_000
const maxLanes = 64
const maxRuns = 32
const bytesPerLane = { least: 65_536, most: 1_048_576 }

/** Takes lanes that are due from the journal and hands their runs to memory, while their systems are open. */
export class SlowPath {
  readonly #deps: SlowPathDeps
  readonly #bell: Bell = createBell()
  /** Of these flows only the newest of a key counts. */
  readonly #latest: readonly { readonly flow: number; readonly settleMs: number }[]
  /** Some flow parks runs beside their lane until a time: no lane becomes due for them. */
  readonly #parksUntil: boolean
  #mayHave = true
  #expected = 0
  #stopped = false
  #gone = false
  #inDoubt = false
  #claims = 0
  #running: Promise<void> | undefined
  #cancelTimer: Cancel | undefined

  constructor(deps: SlowPathDeps) {
    this.#deps = deps
    this.#latest = [...deps.flows.values()].flatMap(({ id, latest }) =>
      latest ? [{ flow: id, ...latest }] : [],
    )
    this.#parksUntil = [...deps.flows.values()].some(
      ({ onParked, onFailure }) =>
        onParked === 'continue' && onFailure.kind === 'compensate' && onFailure.afterMs > 0,
    )
  }

  /** Whether some lane of the group may have a row. */
  get mayHave(): boolean {
    return this.#mayHave
  }

  /** A claim was given up that may have taken runs: they are running in the journal, and only a takeover frees them. */
  get inDoubt(): boolean {
    return this.#inDoubt
  }

  /** Rows of open runs were committed. */
  expect(): void {
    this.#mayHave = true
    this.#expected++
  }

  /** Look now: a lane was left, or a system opened. */
  ring(): void {
    this.#bell.ring()
  }

  start(): void {
    this.#running ??= this.#loop()
  }

  /** `gone`: the lease is not ours any more, so that an unknown claim is not ours to settle either. */
  async stop(gone = false): Promise<void> {
    this.#stopped = true
    this.#gone ||= gone
    this.#cancelTimer?.()
    this.#bell.ring()
    await this.#running
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      let took = false
      try {
        took = await this.#take()
      } catch (error) {
        this.#deps.onError(error)
      }
      if (!took) await this.#pause()
    }
  }

  async #pause(): Promise<void> {
    this.#cancelTimer = this.#deps.clock.timer(this.#mayHave ? pollMs : idlePollMs, () => this.#bell.ring())
    await this.#bell.wait()
    this.#cancelTimer()
  }

  /** One round; true when it took something and more may be due. */
  async #take(): Promise<boolean> {
    const { lease, journal, room, careful, onLost } = this.#deps
    const limit = Math.min(careful() ? 1 : maxLanes, room())
    if (limit <= 0 || (this.#latest.length > 0 && this.#deps.readsSuspects())) return false
    if (this.#parksUntil && (await journal.wakeParked(lease)) === 'lost') {
      onLost()
      return false
    }
    if (this.#mayHave) await this.#deps.releaseLinked?.()
    const enough = this.#deps.enough()
    const gates = this.#deps.gates.filter(({ id }) => !enough.has(id))
    const open = gates.filter((gate) => gate.stand === 'open')
    // 0 stands for no system: a run that waits for a time, an event or a person. One that nobody here calls is as good.
    const systems = [0, ...this.#deps.strangers.systems, ...idsOf(open)]
    const most = { lanes: limit, runsPerLane: careful() ? 1 : maxRuns }
    const fromOpen = await this.#takeDue(systems, most)
    // One run is enough to see whether a system is back: what else is claimed would be put back if it is not.
    const probed = gates.filter((gate) => gate.stand === 'probe' && !gate.hasReady)
    const fromProbed = await this.#takeDue(idsOf(probed), { lanes: 1, runsPerLane: 1 })
    if (this.#mayHave && fromOpen.due + fromProbed.due === 0) await this.#lookForAny()
    return fromOpen.taken + fromProbed.taken > 0
  }

  /** How many lanes were due, and how many runs were taken: of lanes that are in memory already, none. */
  async #takeDue(
    systems: readonly number[],
    most: { readonly lanes: number; readonly runsPerLane: number },
  ): Promise<{ readonly due: number; readonly taken: number }> {
    if (systems.length === 0) return { due: 0, taken: 0 }
    const { lease, journal, isFree } = this.#deps
    const { group, part, parts } = lease
    const due = await journal.due({
      ...{ group, part, parts, limit: most.lanes + maxLanes },
      systems: [...new Set(systems)],
    })
    if (due.length > 0) this.#mayHave = true
    const keys = due.filter(isFree).slice(0, most.lanes)
    return { due: due.length, taken: keys.length > 0 ? await this.#claim(keys, most.runsPerLane) : 0 }
  }

  /** Between the question and the answer a row may be committed: then the answer does not count. */
  async #lookForAny(): Promise<void> {
    const expected = this.#expected
    const has = await this.#deps.journal.hasSlowLanes(this.#deps.lease.group)
    if (expected === this.#expected) this.#mayHave = has
  }

  async #claim(keys: readonly string[], runsPerLane: number): Promise<number> {
    for (const key of keys) this.#deps.beginClaim(key)
    const runs = await this.#claimSurely(keys, runsPerLane)
    const byKey = new Map<string, Run[]>(keys.map((key) => [key, []]))
    const marks = new Map<string, SequenceMark>()
    for (const claimed of runs) {
      this.#add(byKey, claimed)
      if (claimed.sequence) marks.set(claimed.key, claimed.sequence)
    }
    await numberRuns([...byKey.values()].flat())
    await this.#deps.judge([...byKey.values()].flat())
    for (const [key, own] of byKey) this.#deps.endClaim(key, own, marks.get(key))
    return runs.length
  }

  /** An answer that got lost may have claimed: the same is asked again until it is known, for nobody else will free those runs. */
  async #claimSurely(keys: readonly string[], runsPerLane: number): Promise<readonly ClaimedRun[]> {
    const { lease, journal, clock, onError, onLost } = this.#deps
    const { group, part, epoch } = lease
    const { least, most } = bytesPerLane
    const maxBytes = Math.max(least, Math.min(most, Math.floor(this.#deps.maxBytes / keys.length)))
    const claim = { group, part, epoch, keys, maxRuns: runsPerLane, maxBytes, latest: this.#latest }
    for (let again = false; !this.#gone; again = true) {
      try {
        const runs = await journal.claim({ ...claim, no: ++this.#claims, again })
        if (runs !== 'lost') return runs
        onLost()
        return []
      } catch (error) {
        onError(error)
        await sleep(clock, 200)
      }
    }
    this.#inDoubt = true
    return []
  }

  /** In the place of a flow that this deployment does not have: what was claimed must not stay running for ever. */
  #absent({ flow: id, ord }: ClaimedRun): FlowRuntime | undefined {
    const [any] = this.#deps.flows.values()
    return any && absentFlow(any, { id, ord, name: this.#deps.strangers.flows.get(id) ?? `flow ${id}` })
  }

  #add(byKey: Map<string, Run[]>, claimed: ClaimedRun): void {
    const flow = this.#deps.flows.get(claimed.flow) ?? this.#absent(claimed)
    if (!flow) return
    const run = newRun(flow, claimed.event, claimed)
    restoreSteps(run, claimed.steps, this.#deps.clock.monotonic())
    if (!run.flow.single) {
      const { maybeAt } = claimed
      if (maybeAt !== null)
        doubtSteps(run, { sentBy: maybeAt, since: maybeAt - this.#longestAttemptMs(flow) })
    }
    byKey.get(claimed.key)?.push(run)
  }

  /** How long before its lease ran out an owner may have begun an attempt that has no row yet: what is over is written. */
  #longestAttemptMs({ steps }: FlowRuntime): number {
    const timeouts = steps.map(({ definition }) => (definition.kind === 'call' ? definition.timeoutMs : 0))
    return this.#deps.leaseMs + Math.max(...timeouts)
  }
}

function idsOf(gates: readonly SystemGate[]): number[] {
  return gates.map(({ id }) => id)
}

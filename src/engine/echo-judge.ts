import type { AnyContract } from '../define/event.ts'
import type { Redaction } from '../define/redaction.ts'
import { BusbarError, CallError } from '../errors.ts'
import type { StoredEvent } from '../journal/port.ts'
import type { EchoDecision, EchoFacts, EchoJournal, OutstandingWrite } from '../journal/port-echoes.ts'
import { busEvent } from './bus-event.ts'
import type { Cancel, Clock } from './clock.ts'
import { sleep } from './clock.ts'
import type { Inbound } from './echo.ts'
import { fieldsFingerprint, judge } from './echo.ts'
import { objectText, versionText } from './echo-writes.ts'
import type { FlowRuntime, Run } from './run.ts'

/** What the judge of a group needs. */
export interface EchoJudgeDeps {
  readonly journal: EchoJournal
  readonly clock: Clock
  /** By event type: those that tell of the systems whose echoes this group skips. */
  readonly contracts: ReadonlyMap<string, AnyContract>
  /** All flows of this deployment that skip echoes; until they have read past its time, a write is kept. */
  readonly flows: readonly number[]
  /** The group writes what it says it writes, so that there may be something to delete although it judges nothing. */
  readonly writes: boolean
  /** Runs that were undecided are not any more. */
  readonly onDecided: (runs: readonly Run[]) => void
  readonly onError: (error: unknown) => void
}

/** An event that speaks of an object, and the runs that wait for what it comes to. */
interface Case extends Inbound {
  readonly system: string
  readonly object: string
  readonly runs: Set<Run>
}

const pollMs = 100
const againMs = 200
const sweepMs = 60_000
const sweepLimit = 1_000

/**
 * Decides which events are echoes of our own writes, before any step of their runs starts: one query for each window that
 * has such events, none for others. An event that cannot be decided yet is asked about again; its runs wait at the head
 * of their lanes, and all later events of the object behind it.
 */
export class EchoJudge {
  readonly #deps: EchoJudgeDeps
  readonly #undecided = new Map<number, Case>()
  #turn: Promise<void> = Promise.resolve()
  #cancelPoll: Cancel | undefined
  #sweptAt: number
  #stopped = false

  constructor(deps: EchoJudgeDeps) {
    this.#deps = deps
    this.#sweptAt = deps.clock.monotonic()
  }

  /** Types that must be read, whether or not a flow of the group runs on them. */
  get types(): readonly string[] {
    return [...this.#deps.contracts.keys()]
  }

  /** The group must not move past it: an event of no run that is undecided would be forgotten. */
  get floor(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#undecided.keys())
  }

  /**
   * Sets `echo` of the runs of these events; leaves it where they are real. Repeats until the journal answers or the
   * judge is stopped; then they stay undecided.
   */
  async judge(events: readonly StoredEvent[], runs: readonly Run[]): Promise<void> {
    if (this.#deps.contracts.size === 0) return
    const fresh = new Map<number, Case>()
    for (const event of events) {
      const found = await this.#caseOf(event, runs[0]?.flow.redaction)
      if (found) fresh.set(event.seq, found)
    }
    if (fresh.size === 0) return
    for (const run of runs) {
      const found = maySkip(run) ? fresh.get(run.event.seq) : undefined
      if (!found) continue
      found.runs.add(run)
      run.echo = 'undecided'
    }
    await this.#inTurn(() => this.#surely([...fresh.values()]))
  }

  /** Once a minute deletes what no echo can come to any more: off the hot path, and bounded; to be called now and then. */
  sweep(): void {
    const { clock, journal, flows, contracts, writes, onError } = this.#deps
    if (this.#stopped || (contracts.size === 0 && !writes)) return
    if (clock.monotonic() - this.#sweptAt < sweepMs) return
    this.#sweptAt = clock.monotonic()
    journal.sweepWrites({ flows, limit: sweepLimit }).catch(onError)
  }

  /** Decides nothing more. Safe to call twice. */
  stop(): void {
    this.#stopped = true
    this.#cancelPoll?.()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work)
    return this.#turn
  }

  async #surely(fresh: readonly Case[]): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#round(fresh)
        break
      } catch (error) {
        if (this.#stopped) return
        this.#deps.onError(error)
        await sleep(this.#deps.clock, againMs)
      }
    }
    this.#pollAgain()
  }

  async #caseOf(event: StoredEvent, redaction: Redaction | undefined): Promise<Case | undefined> {
    const contract = this.#deps.contracts.get(event.type)
    if (!contract?.echo) return undefined
    const { echo } = contract
    try {
      const { data } = await busEvent(event, contract)
      const told: unknown = echo.object(data)
      if (told === undefined || told === null) return undefined
      const object = objectText(told)
      if (object === undefined) throw new TypeError('"object" gave no id')
      const fields = echo.fields(data)
      const inbound = {
        seq: event.seq,
        fp: fields ? fieldsFingerprint(fields) : null,
        version: versionText(echo.version(data)),
        receivedAt: event.receivedAt,
        windowMs: echo.windowMs,
      }
      return { ...inbound, system: echo.system, object, runs: new Set() }
    } catch (error) {
      // One that its contract no longer accepts fails as a run and says so there.
      if (!(error instanceof CallError)) this.#deps.onError(declarationFault(event, error, redaction))
      return undefined
    }
  }

  /** Judges these and what is undecided of the same objects; without any, all that is undecided. */
  async #round(fresh: readonly Case[]): Promise<void> {
    const objects = new Map<string, Case[]>()
    const known = [...this.#undecided.values()]
    const concerned = new Set((fresh.length > 0 ? fresh : known).map(objectOf))
    for (const each of [...known, ...fresh.map((one) => this.#join(one))]) {
      const object = objectOf(each)
      if (!concerned.has(object)) continue
      const cases = objects.get(object) ?? []
      if (!cases.includes(each)) cases.push(each)
      objects.set(object, cases)
    }
    let left = [...objects.values()]
    while (left.length > 0 && !this.#stopped) left = await this.#decide(left)
  }

  /** A run was claimed whose event is undecided already. */
  #join(fresh: Case): Case {
    const known = this.#undecided.get(fresh.seq)
    if (!known) return fresh
    for (const run of fresh.runs) known.runs.add(run)
    return known
  }

  /** Answers the objects of which another owner has decided something meanwhile. */
  async #decide(objects: readonly Case[][]): Promise<Case[][]> {
    const { journal } = this.#deps
    const facts = await journal.echoFacts({
      seqs: objects.flat().map(({ seq }) => seq),
      objects: objects.flatMap(([first]) => (first ? { system: first.system, object: first.object } : [])),
    })
    const judged = objects.map((cases) => judgeObject(cases, facts))
    const changing = judged.filter(({ decision }) => decision.gone.length + decision.blunted.length > 0)
    const refused =
      changing.length > 0 ? await journal.decideEchoes(changing.map(({ decision }) => decision)) : []
    const again = new Set(refused.map((place) => changing[place]))
    if (this.#stopped) return []
    const decided = judged.filter((each) => !again.has(each))
    this.#apply(decided)
    return judged.filter((each) => again.has(each)).map(({ cases }) => cases)
  }

  #apply(judged: readonly Judged[]): void {
    const ended: Run[] = []
    for (const { cases, reasons, real } of judged) {
      for (const each of cases) {
        const reason = reasons.get(each.seq)
        if (reason === undefined && !real.has(each.seq)) {
          this.#undecided.set(each.seq, each)
          continue
        }
        this.#undecided.delete(each.seq)
        for (const run of each.runs) {
          run.echo = reason === undefined ? undefined : { reason }
          ended.push(run)
        }
      }
    }
    if (ended.length > 0) this.#deps.onDecided(ended)
  }

  #pollAgain(): void {
    this.#cancelPoll?.()
    this.#cancelPoll = undefined
    if (this.#undecided.size === 0 || this.#stopped) return
    this.#cancelPoll = this.#deps.clock.timer(pollMs, () => void this.#inTurn(() => this.#surely([])))
  }
}

interface Judged {
  readonly cases: Case[]
  /** By seq: why it is an echo. */
  readonly reasons: ReadonlyMap<number, string>
  readonly real: ReadonlySet<number>
  readonly decision: EchoDecision
}

/** The events of one object, as far as they can be decided from these facts. */
function judgeObject(cases: Case[], { now, verdicts, writes }: EchoFacts): Judged {
  cases.sort((one, other) => one.seq - other.seq)
  const [first] = cases as [Case]
  const reasons = new Map<number, string>()
  for (const { seq, ...of } of verdicts)
    if (cases.some((each) => each.seq === seq)) reasons.set(seq, reasonOf(of))
  const open = cases.filter(({ seq }) => !reasons.has(seq))
  const own = writes.filter(({ system, object }) => system === first.system && object === first.object)
  const { echoes, real, gone, blunted } = judge(open, own, now)
  for (const { seq, write } of echoes) reasons.set(seq, reasonOf(write))
  const decision = { echoes: echoes.map(({ seq, write }) => ({ seq, write: write.id })), gone, blunted }
  return { cases, reasons, real: new Set(real), decision }
}

function reasonOf(write: Pick<OutstandingWrite, 'system' | 'writer'>): string {
  const { flowName, seq, gen, step, undo } = write.writer
  const run = gen === 0 ? `${flowName}/${seq}` : `${flowName}/${seq}/${gen}`
  return `echo of our own write to ${write.system} by ${run} (${undo ? `undo of ${step}` : step})`
}

function objectOf({ system, object }: Case): string {
  return JSON.stringify([system, object])
}

/** Whether the run would be skipped if its event were an echo; one that has begun goes on. */
export function maySkip({ flow, compensating, steps }: Run): boolean {
  return (
    flow.echoes === 'skip' &&
    !compensating &&
    steps.every(({ phase, attempts }) => phase === 'pending' && attempts === 0)
  )
}

function declarationFault(
  { type, seq, data }: StoredEvent,
  cause: unknown,
  redaction: Redaction | undefined,
): BusbarError {
  const why = redaction ? redaction.conceal(type, JSON.parse(data))(String(cause)) : ''
  return new BusbarError(
    'config.invalid',
    `event "${type}": its "echo" fails on event ${seq}, which runs as any other: ${why}`,
  )
}

/** The events by which a group of these flows can recognise echoes, by type: all that tell of the systems whose echoes it skips. */
export function echoContracts(
  flows: readonly FlowRuntime[],
  all: readonly FlowRuntime[],
): ReadonlyMap<string, AnyContract> {
  const contractsOf = (some: readonly FlowRuntime[]) =>
    some.flatMap((flow) => [...flow.contracts.values()].filter(({ echo }) => echo !== undefined))
  const systems = new Set(
    contractsOf(flows.filter(({ echoes }) => echoes === 'skip')).map(({ echo }) => echo?.system),
  )
  const concerned = contractsOf(all).filter(({ echo }) => systems.has(echo?.system))
  return new Map(concerned.map((contract) => [contract.type, contract]))
}

/** The flows that skip some echoes, by id. */
export function flowsThatSkip(flows: readonly FlowRuntime[]): readonly number[] {
  const tells = ({ contracts }: FlowRuntime) => [...contracts.values()].some(({ echo }) => echo !== undefined)
  return flows.filter((flow) => flow.echoes === 'skip' && tells(flow)).map(({ id }) => id)
}

/** How long the echo of a write to this system may take, by all that tell of it; an hour where nothing here does. */
export function echoWindowMs(system: string, flows: readonly FlowRuntime[]): number {
  const windows = flows
    .flatMap(({ contracts }) => [...contracts.values()])
    .flatMap(({ echo }) => (echo?.system === system ? echo.windowMs : []))
  return windows.length > 0 ? Math.max(...windows) : 3_600_000
}

import { runState, stepState } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import { memoryLinksUnderTest } from './memory-links.ts'
import type { MemoryJournal } from './memory-journal.ts'
import type { MemoryStepAct } from './memory-step-acts.ts'
import type { MemoryRun, MemoryStore } from './memory-store.ts'
import type { FlowPlan, Plan } from './plan.ts'
import { systemsOf } from './plan.ts'
import type { Sink } from './sink.ts'

/** What the operators need. */
export interface OperatorDeps {
  readonly store: MemoryStore
  readonly journal: MemoryJournal
  readonly plan: Plan
  readonly sink: Sink
  readonly dice: Dice
  readonly count: (what: string) => void
}

/** Retrying cannot help these: a person has to look at the target. */
const hopeless: ReadonlySet<string> = new Set(['call.unknown-outcome', 'run.key-expired', 'run.poisoned'])
const maxRetries = 3

/** People who operate the hub: they see to parked runs, and pause and resume systems and lane groups. */
export class Operator {
  /** Runs that they skipped, as `flow/seq`. */
  readonly skipped = new Set<string>()
  /** Runs that they turned round, likewise. */
  readonly turned = new Set<string>()
  readonly #deps: OperatorDeps
  readonly #retries = new Map<string, number>()

  constructor(deps: OperatorDeps) {
    this.#deps = deps
  }

  /** In the storm: does something to one parked run, if there is one. */
  act(): void {
    const { dice } = this.#deps
    const parked = this.#parked()
    if (parked.length > 0) this.#do(dice.pick(parked), dice.chance(0.6) ? 'retry' : 'skip')
    const [several] = this.#deps.plan.flows.filter(({ process }) => process)
    if (several) this.#actOnProcess(several)
  }

  /** Turns any run of several steps round, an ended one too, or decides what one waits for. */
  #actOnProcess(flow: FlowPlan): void {
    const { store, dice } = this.#deps
    const id = store.flows.find(({ name }) => name === flow.name)?.id
    const runs = [...store.runs()].filter((run) => run.flow === id)
    if (runs.length === 0) return
    const run = dice.pick(runs)
    if (dice.chance(0.3)) return this.#do(run, 'compensate')
    this.#decide(dice.pick(runs), dice.chance(0.7) ? 'approve' : 'refuse')
  }

  /** Everything that waits for a person. */
  #decide(run: MemoryRun, verb: 'approve' | 'refuse'): void {
    const { store, plan } = this.#deps
    const flow = plan.flows.find(({ name }) => name === store.flow(run.flow)?.name)
    const approvals = flow?.process?.steps.filter(({ kind }) => kind === 'approve') ?? []
    for (const { name } of approvals)
      if (this.#step(run, name)?.state === stepState.waiting) this.#doStep(run, { step: name, verb })
  }

  #step({ flow, seq, gen }: MemoryRun, name: string) {
    return this.#deps.store.steps.get(`${flow}/${seq}/${gen}`)?.get(name)
  }

  #doStep(run: MemoryRun, act: Pick<MemoryStepAct, 'step' | 'verb' | 'data'>): void {
    const { journal, count } = this.#deps
    count(`operator ${act.verb}`)
    void journal.actOnStep({ flow: run.flow, seq: run.seq, gen: run.gen, ...act })
  }

  /** In the storm: pauses something, or resumes all. */
  pause(): void {
    const { journal, dice, plan, count } = this.#deps
    const flow = dice.pick(plan.flows)
    count('operator pause')
    const [{ name } = flow.system, ...others] = systemsOf([flow])
    const system = others.length > 0 ? dice.pick([name, ...others.map((each) => each.name)]) : name
    if (dice.chance(0.5)) void journal.pause('system', system, true)
    else void journal.pause('group', flow.options.lane ?? flow.name, true)
  }

  resumeAll(): void {
    const { journal, plan } = this.#deps
    for (const { name } of systemsOf(plan.flows)) void journal.pause('system', name, false)
    for (const flow of plan.flows) {
      void journal.pause('group', flow.options.lane ?? flow.name, false)
    }
  }

  /** In the calm: every parked run is retried, or skipped where that cannot help. */
  resolve(): void {
    const { store, dice } = this.#deps
    for (const run of [...store.runs()])
      if (run.awaits !== null) this.#decide(run, dice.chance(0.8) ? 'approve' : 'refuse')
    for (const run of this.#parked()) {
      const id = `${run.flow}/${run.seq}`
      const tried = this.#retries.get(id) ?? 0
      this.#retries.set(id, tried + 1)
      if (tried >= 1 && this.#byHand(run)) continue
      this.#do(run, tried >= maxRetries || hopeless.has(run.code ?? '') ? 'skip' : 'retry')
    }
  }

  /** Looks at the target of the step that failed, and says what it finds there or enters there; whether there was one. */
  #byHand(run: MemoryRun): boolean {
    const { store, plan, sink, dice } = this.#deps
    const flow = plan.flows.find(({ name }) => name === store.flow(run.flow)?.name)
    if (!flow?.process || dice.chance(0.3)) return false
    if (run.compensating) return this.#byHandBack(flow, run)
    const failed = flow.process.steps.find(({ name }) => this.#step(run, name)?.state === stepState.failed)
    if (failed?.kind !== 'call') return false
    const there = sink.live(flow.name, run.seq, failed.name).size > 0
    if (!there && dice.chance(0.5)) this.#doStep(run, { step: failed.name, verb: 'skip' })
    else {
      const reference = sink.enter(flow.name, run.seq, failed.name)
      this.#doStep(run, { step: failed.name, verb: 'result', data: JSON.stringify({ reference }) })
    }
    return true
  }

  /** Looks at the target of a step whose undo has failed: says what there is to undo, or takes it back. */
  #byHandBack(flow: FlowPlan, run: MemoryRun): boolean {
    const { sink, dice } = this.#deps
    const stuck = flow.process?.steps.find(
      ({ name }) => this.#step(run, name)?.state === stepState.undoFailed,
    )
    if (stuck?.kind !== 'call') return false
    const { name } = stuck
    const [reference] = sink.live(flow.name, run.seq, name)
    this.#deps.count('operator by hand, back')
    if (reference !== undefined && this.#step(run, name)?.result === null && dice.chance(0.5)) {
      this.#doStep(run, { step: name, verb: 'result', data: JSON.stringify({ reference }) })
    } else {
      sink.takeBack(flow.name, run.seq, name)
      this.#doStep(run, { step: name, verb: 'skip' })
    }
    return true
  }

  /** In the calm: a customer whose id nobody will give any more gets one by hand. */
  setMissingLinks(): void {
    const { store } = this.#deps
    const giver = store.flows.find(({ name }) => name === 'crm-create')
    if (!giver) return
    for (const { kind, id, system } of [...store.links.waits.values()]) {
      const runs = store.events.filter(({ key }) => key === id).map(({ seq }) => store.run(giver.id, seq, 0))
      const isOver = runs.every((run) => run !== undefined && run.state >= runState.succeeded)
      if (!isOver || store.links.external({ kind, id, system }) !== null) continue
      this.#deps.count('operator link')
      void memoryLinksUnderTest(store).set({ kind, id, system, external: id })
    }
  }

  /** Every event has a final row for each flow that wants it. */
  get drained(): boolean {
    const { store } = this.#deps
    const wanted = store.flows.flatMap((flow) => {
      const after = new Map(flow.types.map((type, index) => [type, flow.typeAfter[index] ?? 0]))
      return store.events
        .filter(({ seq, type }) => seq > (after.get(type) ?? Infinity))
        .map(({ seq }) => store.run(flow.id, seq, 0))
    })
    return (
      store.flows.length > 0 && wanted.every((run) => run !== undefined && run.state >= runState.succeeded)
    )
  }

  #parked(): MemoryRun[] {
    return [...this.#deps.store.runs()].filter((run) => run.state === runState.parked)
  }

  #do(run: MemoryRun, verb: 'retry' | 'skip' | 'compensate'): void {
    const { journal, count } = this.#deps
    count(`operator ${verb}`)
    if (verb === 'compensate') this.turned.add(`${run.flow}/${run.seq}`)
    if (verb === 'skip') this.skipped.add(`${run.flow}/${run.seq}`)
    void journal.act({ flow: run.flow, seq: run.seq, verb, reason: 'decided by the dice' })
  }
}

import { runState } from '../../src/journal/port.ts'
import type { Dice } from './dice.ts'
import { memoryLinksUnderTest } from './memory-links.ts'
import type { MemoryJournal } from './memory-journal.ts'
import type { MemoryRun, MemoryStore } from './memory-store.ts'
import type { Plan } from './plan.ts'

/** What the operators need. */
export interface OperatorDeps {
  readonly store: MemoryStore
  readonly journal: MemoryJournal
  readonly plan: Plan
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
  }

  /** In the storm: pauses something, or resumes all. */
  pause(): void {
    const { journal, dice, plan, count } = this.#deps
    const flow = dice.pick(plan.flows)
    count('operator pause')
    if (dice.chance(0.5)) void journal.pause('system', flow.system.name, true)
    else void journal.pause('group', flow.options.lane ?? flow.name, true)
  }

  resumeAll(): void {
    const { journal, plan } = this.#deps
    for (const flow of plan.flows) {
      void journal.pause('system', flow.system.name, false)
      void journal.pause('group', flow.options.lane ?? flow.name, false)
    }
  }

  /** In the calm: every parked run is retried, or skipped where that cannot help. */
  resolve(): void {
    for (const run of this.#parked()) {
      const id = `${run.flow}/${run.seq}`
      const tried = this.#retries.get(id) ?? 0
      this.#retries.set(id, tried + 1)
      this.#do(run, tried >= maxRetries || hopeless.has(run.code ?? '') ? 'skip' : 'retry')
    }
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

  #do(run: MemoryRun, verb: 'retry' | 'skip'): void {
    const { journal, count } = this.#deps
    count(`operator ${verb}`)
    if (verb === 'skip') this.skipped.add(`${run.flow}/${run.seq}`)
    void journal.act({ flow: run.flow, seq: run.seq, verb, reason: 'decided by the dice' })
  }
}

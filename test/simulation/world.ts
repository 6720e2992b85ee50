import type { NewEvent } from '../../src/journal/port.ts'
import { hashKey } from '../../src/journal/hash-key.ts'
import type { JournalSnapshot } from '../../src/testing/journal-snapshot.ts'
import { Dice } from './dice.ts'
import type { Trace, Weather } from './faulty-journal.ts'
import { faultyJournal } from './faulty-journal.ts'
import { MemoryJournal } from './memory-journal.ts'
import { MemoryStore } from './memory-store.ts'
import type { OrderData } from './contracts.ts'
import type { SimulatedNode } from './node.ts'
import { simulatedNode } from './node.ts'
import { Operator } from './operator.ts'
import type { Plan } from './plan.ts'
import { SimulatedProcess } from './process.ts'
import { unbalanced, unready } from './process-invariants.ts'
import { Publisher } from './publisher.ts'
import type { Sabotage } from './sabotage.ts'
import { Sink } from './sink.ts'
import { VirtualClock } from './virtual-clock.ts'

const calmMs = 60_000
/** A poison is parked after it has killed a few processes, each missed when its lease has run out; a credential is tried once a minute. */
const slowCalmMs = 600_000
const stopMs = 120_000

/** What happened in a world, for the verdict. */
export interface History {
  readonly plan: Plan
  readonly sink: Sink
  readonly publisher: Publisher
  readonly operator: Operator
  /** Taken in the storm and in the calm after it, the last one when all had stopped. */
  readonly snapshots: readonly JournalSnapshot[]
  readonly drained: boolean
  /** What parked runs said that was not so at the targets, when it was looked. */
  readonly unbalanced: readonly string[]
  /** Processes that did not end when asked to, or left timers behind. */
  readonly unended: readonly string[]
  readonly faults: ReadonlyMap<string, number>
  readonly virtualMs: number
}

/**
 * A world: processes with workers over one journal, publishers, target systems, operators, and everything that befalls
 * them, all decided by the plan's seed. After the storm it is calm until every run has ended.
 */
export class World {
  readonly #plan: Plan
  readonly #dice: Dice
  readonly #clock = new VirtualClock()
  readonly #store = new MemoryStore()
  readonly #admin = new MemoryJournal(this.#store, this.#clock, 'admin')
  readonly #weather: Weather
  readonly #faults = new Map<string, number>()
  readonly #sink: Sink
  readonly #publisher: Publisher
  readonly #operator: Operator
  readonly #nodes: (SimulatedNode | undefined)[] = []
  readonly #all: SimulatedNode[] = []
  readonly #snapshots: JournalSnapshot[] = []
  readonly #unended: string[] = []
  readonly #unbalanced: string[] = []
  readonly #sabotage: Sabotage | undefined
  readonly #trace: Trace | undefined
  #processes = 0
  #calm = false
  #ending = false
  #drained = false

  constructor(plan: Plan, options: { readonly sabotage?: Sabotage; readonly trace?: Trace } = {}) {
    this.#plan = plan
    this.#sabotage = options.sabotage
    const { trace } = options
    this.#trace = trace && ((line) => trace(`${this.#clock.monotonic().toFixed(1)} ${line}`))
    this.#dice = new Dice(`world ${plan.seed}`)
    this.#weather = { outageUntil: 0, rates: plan.journal }
    this.#sink = new Sink(
      {
        clock: this.#clock,
        dice: this.#dice.fork('sink'),
        isDead: (worker) => this.#store.workers.get(worker)?.dead === true,
        onAnswer: (answer) => this.#count(`sink ${answer}`),
        unready: (call) => unready(this.#store, plan.flows, call),
        trace: this.#trace,
      },
      plan.sink,
    )
    this.#publisher = new Publisher({
      clock: this.#clock,
      dice: this.#dice.fork('publisher'),
      appender: () => this.#live()?.appender,
    })
    this.#operator = new Operator({
      store: this.#store,
      journal: this.#admin,
      sink: this.#sink,
      plan,
      dice: this.#dice.fork('operator'),
      count: (what) => this.#count(what),
    })
  }

  async run(): Promise<History> {
    for (let place = 0; place < this.#plan.workers; place++) this.#start(place)
    this.#schedule()
    await this.#clock.run({ until: () => false, maxMs: this.#plan.stormMs })
    this.#clear()
    const { poison, sink, flows } = this.#plan
    const slow = poison > 0 || sink.credential > 0 || flows.some(({ process }) => process)
    const drained = await this.#clock.run({
      until: () => this.#drained,
      maxMs: slow ? slowCalmMs : calmMs,
    })
    if (drained) await this.#stopAll()
    this.#snapshot()
    return {
      plan: this.#plan,
      sink: this.#sink,
      publisher: this.#publisher,
      operator: this.#operator,
      snapshots: this.#snapshots,
      drained,
      unbalanced: this.#unbalanced,
      unended: this.#unended,
      faults: this.#faults,
      virtualMs: this.#clock.monotonic(),
    }
  }

  #start(place: number): void {
    if (this.#ending) return
    const id = `p${place}.${++this.#processes}`
    const process = new SimulatedProcess(id, this.#clock, () => this.#died(place))
    const inner = new MemoryJournal(this.#store, this.#clock, id)
    const dice = this.#dice.fork(id)
    const node = simulatedNode({
      plan: this.#plan,
      process,
      sink: this.#sink,
      dice: dice.fork('engine'),
      onError: () => this.#count('engine error'),
      journal: faultyJournal({
        inner: this.#sabotage ? this.#sabotage(inner, this.#store, dice.fork('sabotage')) : inner,
        process,
        clock: this.#clock,
        dice: dice.fork('journal'),
        weather: this.#weather,
        stallMs: this.#plan.leaseMs,
        onFault: (method, fault) => this.#count(`${method} ${fault}`),
        trace: this.#trace,
      }),
    })
    this.#nodes[place] = node
    this.#all.push(node)
    node.worker.start().catch(() => process.kill())
  }

  /** Whoever watches over the processes starts another one after a while. */
  #died(place: number): void {
    this.#nodes[place] = undefined
    if (this.#ending) return
    const delayMs = this.#calm ? 50 : this.#dice.between(50, 3_000)
    this.#clock.timer(delayMs, () => this.#start(place))
  }

  #schedule(): void {
    const { plan, dice } = { plan: this.#plan, dice: this.#dice.fork('schedule') }
    const at = (count: number, act: () => void) => {
      for (let index = 0; index < count; index++) this.#clock.timer(dice.next() * plan.stormMs, act)
    }
    for (const event of eventsOf(plan, dice)) at(1, () => this.#publisher.publish(event))
    if (plan.flows.some(({ process }) => process))
      for (const event of paymentsOf(plan, dice)) at(1, () => this.#publisher.publish(event))
    at(plan.kills, () => this.#kill(dice))
    at(plan.stalls, () => this.#stall(dice))
    at(plan.stops, () => this.#stop(dice))
    at(plan.outages, () => this.#outage(dice))
    at(plan.acts, () => this.#operator.act())
    at(plan.pauses, () => this.#operator.pause())
    at(8, () => this.#snapshot())
    if (plan.deployAt < plan.stormMs) this.#deploy(plan.deployAt, dice)
    if (plan.repartitionAt < plan.stormMs)
      this.#deploy(plan.repartitionAt, new Dice(`repartition ${plan.seed}`))
  }

  #kill(dice: Dice): void {
    this.#count('world kill')
    dice.pick(this.#nodes)?.process.kill()
  }

  #stall(dice: Dice): void {
    const node = dice.pick(this.#nodes)
    if (!node) return
    this.#count('world stall')
    node.process.stop()
    this.#clock.timer(dice.next() * 2.5 * this.#plan.leaseMs, () => node.process.go())
  }

  #stop(dice: Dice): void {
    const node = dice.pick(this.#nodes)
    if (!node) return
    this.#count('world stop')
    this.#stopNode(node, dice.pick([100, 2_000]))
  }

  #stopNode(node: SimulatedNode, graceMs: number): void {
    const end = () => node.process.kill()
    node.worker.stop(graceMs).then(end, end)
  }

  /** Rolling: one process after the other is stopped; what is started in its place is newer. */
  #deploy(at: number, dice: Dice): void {
    for (const [place] of this.#nodes.entries()) {
      this.#clock.timer(at + dice.next() * 5_000, () => {
        const node = this.#nodes[place]
        if (node) this.#stopNode(node, 2_000)
      })
    }
  }

  #outage(dice: Dice): void {
    this.#count('world outage')
    this.#weather.outageUntil = this.#clock.monotonic() + dice.next() * 2 * this.#plan.leaseMs
  }

  /** The end of all faults; people see to what needs them. */
  #clear(): void {
    this.#calm = true
    this.#weather.rates = undefined
    this.#weather.outageUntil = 0
    this.#sink.rates = undefined
    for (const node of this.#nodes) node?.process.go()
    this.#operator.resumeAll()
    this.#every(2_000, () => {
      this.#operator.resolve()
      this.#operator.setMissingLinks()
      this.#snapshot()
    })
    this.#every(250, () => (this.#drained = this.#publisher.done && this.#operator.drained))
  }

  #every(ms: number, act: () => void): void {
    act()
    this.#clock.timer(ms, () => {
      if (!this.#ending) this.#every(ms, act)
    })
  }

  async #stopAll(): Promise<void> {
    this.#ending = true
    const stopped = new Set<SimulatedNode>()
    const nodes = this.#nodes.filter((node) => node !== undefined)
    for (const node of nodes) void node.worker.stop(2_000).then(() => stopped.add(node))
    await this.#clock.run({
      until: () => nodes.every((node) => stopped.has(node) || node.process.dead),
      maxMs: stopMs,
    })
    await this.#clock.run({ until: () => false, maxMs: 10_000 })
    const owners = this.#admin.snapshot().groups.map(({ owner }) => owner)
    for (const node of nodes.filter(({ process }) => !process.dead)) {
      if (owners.includes(node.process.id))
        this.#unended.push(`${node.process.id} did not hand everything back`)
      if (!stopped.has(node)) this.#unended.push(`${node.process.id} did not stop`)
      if (node.process.timers > 0) this.#unended.push(`${node.process.id} left ${node.process.timers} timers`)
    }
  }

  #live(): SimulatedNode | undefined {
    const nodes = this.#nodes.filter((node) => node !== undefined)
    return nodes.length > 0 ? this.#dice.pick(nodes) : undefined
  }

  #snapshot(): void {
    this.#snapshots.push(this.#admin.snapshot())
    const snapshot = this.#snapshots.at(-1) as JournalSnapshot
    this.#unbalanced.push(...unbalanced(snapshot, this.#plan.flows, this.#sink))
  }

  #count(what: string): void {
    this.#trace?.(what)
    this.#faults.set(what, (this.#faults.get(what) ?? 0) + 1)
  }
}

/** Events whose keys and identities meet: repeated ones, and some that say something else under the same identity. */
function eventsOf(plan: Plan, dice: Dice): NewEvent[] {
  const places = new Dice(`places ${plan.seed}`)
  const last = new Map<string, number>()
  return Array.from({ length: plan.events }, (_, index) => {
    const again = index > 0 && dice.chance(0.1)
    const revision = again ? dice.between(0, index - 1) : index
    const number = `K${dice.between(1, plan.keys)}`
    const key = dice.chance(0.05) ? null : number
    const place = placeOf({ number, again }, last, places)
    const data: OrderData = { number, revision, place, poison: dice.chance(plan.poison) }
    return {
      source: 'urn:simulation',
      id: `${revision}`,
      type: dice.chance(0.7) ? 'order.placed' : 'order.changed',
      key,
      khash: hashKey(key ?? `${revision}`),
      data: JSON.stringify(data),
      ext: '{}',
    }
  })
}

/** The next number of its key, mostly: sources repeat numbers, and forget them. */
function placeOf(
  { number, again }: { readonly number: string; readonly again: boolean },
  last: Map<string, number>,
  dice: Dice,
): number | null {
  const before = last.get(number) ?? 0
  if (again || dice.chance(0.03)) return dice.chance(0.3) ? null : dice.between(0, before)
  last.set(number, before + 1)
  return before + 1
}

/** What runs of several steps wait for. */
function paymentsOf(plan: Plan, dice: Dice): NewEvent[] {
  return Array.from({ length: 2 * plan.keys }, (_, index) => {
    const number = `K${dice.between(1, plan.keys)}`
    const data: OrderData = { number, revision: index, place: null, poison: false }
    return {
      source: 'urn:payments',
      id: `${index}`,
      type: 'payment.captured',
      key: number,
      khash: hashKey(number),
      data: JSON.stringify(data),
      ext: '{}',
    }
  })
}

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { OutstandingWrite } from '../journal/port-echoes.ts'
import type { Inbound } from './echo.ts'
import { judge } from './echo.ts'

/**
 * A target that keeps one object with a value and a version, and tells of its changes in their order, at times leaving
 * out those that a later one has overtaken, or telling one twice. Writes of ours follow each other, as in a lane; others
 * change the object in between. The judge sees what its owner would: what is in the log, and what was registered.
 */
class Model {
  now = 1_000_000
  readonly changes: Change[] = []
  readonly events: Told[] = []
  #value = 'A'
  #told = 0
  #writes: OutstandingWrite[] = []
  #undecided: Told[] = []
  #ids = 0
  readonly #versions: boolean
  /** Values of writes whose outcome we do not know. */
  readonly unsure = new Set<string>()

  constructor(versions: boolean) {
    this.#versions = versions
  }

  /** A whole write: known, sent, and its outcome told; `during` happens while it is under way, before and after its effect. */
  write(
    value: string,
    outcome: 'done' | 'failed' | 'lost' | 'phantom',
    during: readonly (() => void)[],
  ): void {
    const id = ++this.#ids
    const writer = { flow: 1, flowName: 'f', seq: id, gen: 0, step: 's', undo: false }
    this.#writes.push({
      ...{ id, writer, system: 's', object: 'o', fp: value, version: null, versioned: this.#versions },
      ...{ after: this.events.length, at: this.now, settlesAt: this.now + 30_000 },
    })
    during[0]?.()
    const applies = outcome === 'done' || outcome === 'lost'
    if (applies) this.#change(value, true)
    if (outcome === 'phantom' || outcome === 'lost') this.unsure.add(value)
    during[1]?.()
    if (outcome === 'lost' || outcome === 'phantom') this.wait(31_000)
    else this.wait(50)
    if (outcome === 'failed') this.#writes = this.#writes.filter((write) => write.id !== id)
    const version = outcome === 'done' && this.#versions ? this.#versionAfter(id) : null
    this.#writes = this.#writes.map((write) =>
      write.id === id ? { ...write, settlesAt: null, version } : write,
    )
    this.#judge()
  }

  #applied = new Map<number, number>()

  #versionAfter(id: number): string {
    return String(this.#applied.get(id))
  }

  #change(value: string, ours: boolean): void {
    if (ours) this.#applied.set(this.#ids, this.changes.length + 1)
    // What changes nothing is told by nobody, but a write of ours is answered all the same.
    if (value === this.#value && !ours) return
    this.#value = value
    this.changes.push({ value, ours, version: this.changes.length + 1 })
  }

  /** Somebody else changes the object. */
  real(value: string): void {
    this.#change(value, false)
  }

  /** Tells of the next change, or leaves out up to `skip` of those that others follow. */
  tell(skip: number): void {
    if (this.#told >= this.changes.length) return
    this.#told = Math.min(this.#told + 1 + skip, this.changes.length)
    this.#deliver(this.changes[this.#told - 1] as Change)
  }

  /** Tells of the latest told change once more, under another id. */
  again(): void {
    const change = this.changes[this.#told - 1]
    if (change) this.#deliver(change)
  }

  #deliver(change: Change): void {
    const { value, version } = change
    const event: Told = {
      ...{ seq: this.events.length + 1, fp: value, version: this.#versions ? String(version) : null },
      ...{ receivedAt: this.now, windowMs: 3_600_000, change, verdict: 'later' },
      written: this.#writes.flatMap(({ fp }) => fp ?? []),
    }
    this.events.push(event)
    this.#undecided.push(event)
    this.#judge()
  }

  wait(ms: number): void {
    this.now += ms
    this.#judge()
  }

  /** All is told, and nothing is left to wait for. */
  end(): void {
    while (this.#told < this.changes.length) this.tell(0)
    for (let minute = 0; minute < 30; minute++) this.wait(61_000)
  }

  #judge(): void {
    const { echoes, real, gone, blunted } = judge(this.#undecided, this.#writes, this.now)
    for (const event of this.#undecided) {
      if (echoes.some(({ seq }) => seq === event.seq)) event.verdict = 'echo'
      if (real.includes(event.seq)) event.verdict = 'real'
    }
    this.#undecided = this.#undecided.filter(({ verdict }) => verdict === 'later')
    this.#writes = this.#writes
      .filter(({ id }) => !gone.includes(id))
      .map((write) => (blunted.includes(write.id) ? { ...write, fp: null } : write))
  }
}

interface Change {
  readonly value: string
  readonly ours: boolean
  readonly version: number
}

interface Told extends Inbound {
  readonly change: Change
  /** What we had registered when it was told. */
  readonly written: readonly string[]
  verdict: 'later' | 'echo' | 'real'
}

const value = fc.constantFrom('A', 'B', 'C', 'D')
const small = fc.oneof(
  fc.record({ do: fc.constant('real' as const), value }),
  fc.record({ do: fc.constant('tell' as const), skip: fc.nat(2) }),
  fc.record({ do: fc.constant('again' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(10, 1_000, 8_000, 90_000) }),
)
const outcome = fc.constantFrom(
  'done' as const,
  'done' as const,
  'done' as const,
  'failed' as const,
  'lost' as const,
  'phantom' as const,
)
const write = fc.record({ do: fc.constant('write' as const), value, outcome, before: small, after: small })
const scripts = fc.array(fc.oneof(small, small, write), { minLength: 1, maxLength: 30 })
const surely = fc.constantFrom('done' as const, 'done' as const, 'done' as const, 'failed' as const)
const sureWrite = fc.record({
  do: fc.constant('write' as const),
  value,
  outcome: surely,
  before: small,
  after: small,
})
/** Every write's outcome is known. */
const sureScripts = fc.array(fc.oneof(small, sureWrite), { minLength: 1, maxLength: 20 })

type Small = typeof small extends fc.Arbitrary<infer T> ? T : never
type Action = Small | (typeof write extends fc.Arbitrary<infer T> ? T : never)

interface Habits {
  readonly coalesces: boolean
  readonly repeats: boolean
  readonly versions: boolean
}

function play(script: readonly Action[], { coalesces, repeats, versions }: Habits): Model {
  const model = new Model(versions)
  // An attempt has its timeout: what happens during one takes less.
  const act = (action: Small, longest = Infinity) => {
    if (action.do === 'real') model.real(action.value)
    if (action.do === 'tell') model.tell(coalesces ? action.skip : 0)
    if (action.do === 'again' && repeats) model.again()
    if (action.do === 'wait') model.wait(Math.min(action.ms, longest))
  }
  for (const action of script) {
    if (action.do === 'write')
      model.write(action.value, action.outcome, [
        () => act(action.before, 10_000),
        () => act(action.after, 10_000),
      ])
    else act(action)
    model.wait(10)
  }
  model.end()
  return model
}

/** The object stands as we have left it: what others have done since has been taken back, and started no run. */
function asWeLeftIt({ changes, events }: Model, change: Change): boolean {
  const before = changes.slice(0, changes.indexOf(change))
  const own = before.findLastIndex(({ ours }) => ours)
  const since = before.slice(own + 1)
  const ran = events.some((event) => event.verdict === 'real' && since.includes(event.change))
  return before[own]?.value === change.value && !ran
}

/**
 * Somebody else's change that leaves something other than we have written there, or may have; and that we had not
 * written over, with the same values in the end, by the time it was told.
 */
function mustRun(model: Model, { change, written }: Told): boolean {
  const after = model.changes.slice(model.changes.indexOf(change) + 1)
  const again =
    after.some(({ ours, value: own }) => ours && own === change.value) && written.includes(change.value)
  return !change.ours && !asWeLeftIt(model, change) && !again && !model.unsure.has(change.value)
}

const runs = { numRuns: 4_000 }

it.each([
  { outcomes: 'known', script: sureScripts, versions: false },
  { outcomes: 'known', script: sureScripts, versions: true },
  { outcomes: 'not always known', script: scripts, versions: false },
  { outcomes: 'not always known', script: scripts, versions: true },
])(
  'whatever is left out or told twice, where the target ends by another hand an event of that runs (versions $versions, outcomes $outcomes)',
  ({ script: generated, versions }) => {
    fc.assert(
      fc.property(generated, (script) => {
        const model = play(script, { coalesces: true, repeats: true, versions })
        expect(model.events.every(({ verdict }) => verdict !== 'later')).toBe(true)
        const last = model.events.filter(({ change }) => change === model.changes.at(-1))
        if (last.some((event) => mustRun(model, event)))
          expect(last.map(({ verdict }) => verdict)).toContain('real')
      }),
      runs,
    )
  },
)

it('told in full, every change by another hand runs', () => {
  fc.assert(
    fc.property(fc.oneof(scripts, sureScripts), (script) => {
      const model = play(script, { coalesces: false, repeats: false, versions: false })
      for (const event of model.events) if (mustRun(model, event)) expect(event.verdict).toBe('real')
    }),
    runs,
  )
})

it('by version, every change by another hand runs, whatever is left out', () => {
  fc.assert(
    fc.property(fc.oneof(scripts, sureScripts), (script) => {
      const model = play(script, { coalesces: true, repeats: false, versions: true })
      for (const { change, verdict } of model.events)
        if (!change.ours && !model.unsure.has(change.value)) expect(verdict).toBe('real')
    }),
    runs,
  )
})

const ownOnly = fc.array(
  fc.record({
    do: fc.constant('write' as const),
    value,
    outcome: fc.constant('done' as const),
    before: fc.constant({ do: 'wait' as const, ms: 10 }),
    after: fc.oneof(
      fc.constant({ do: 'tell' as const, skip: 0 }),
      fc.constant({ do: 'wait' as const, ms: 10 }),
    ),
  }),
  { minLength: 1, maxLength: 4 },
)

it('where nobody else writes, every echo is known', () => {
  fc.assert(
    fc.property(ownOnly, (script) => {
      const model = play(script, { coalesces: false, repeats: false, versions: false })
      expect(model.events.map(({ verdict }) => verdict)).toEqual(model.events.map(() => 'echo'))
    }),
    runs,
  )
})

/** Everything is told within a moment; every fourth change is by another hand. */
const daily = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ ours: fc.constant(true), value }) },
    { weight: 1, arbitrary: fc.record({ ours: fc.constant(false), value }) },
  ),
  { minLength: 1, maxLength: 20 },
)

it('where a quarter of the changes is by others, and each is told within a moment, nearly all echoes are known', () => {
  let echoes = 0
  let known = 0
  fc.assert(
    fc.property(daily, (script) => {
      const model = new Model(false)
      for (const { ours, value: next } of script) {
        if (ours) model.write(next, 'done', [])
        else model.real(next)
        model.wait(10)
        if (next !== 'D') for (let time = 0; time < 3; time++) model.tell(0) // D is told a little late
        model.wait(300)
      }
      model.end()
      const own = model.events.filter(({ change }) => change.ours)
      echoes += own.length
      known += own.filter(({ verdict }) => verdict === 'echo').length
    }),
    { numRuns: 2_000, seed: 7 },
  )
  expect(echoes).toBeGreaterThan(5_000)
  expect(known / echoes).toBeGreaterThan(0.9)
})

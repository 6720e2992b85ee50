import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PlannedStep, StepPhase } from './plan.ts'
import { plan } from './plan.ts'

/** How one step behaves when it is called, and when it is undone. */
interface Fate {
  readonly after: readonly number[]
  /** Attempts that end in a retry before the last one. */
  readonly retries: number
  /** Whether the failing attempts may have had their effect, unseen. */
  readonly maybe: boolean
  readonly forward: 'done' | 'skipped' | 'failed' | 'waiting'
  readonly back: 'undone' | 'kept' | 'undoFailed'
  readonly backRetries: number
}

const fates: fc.Arbitrary<Fate> = fc.record({
  after: fc.array(fc.nat(), { maxLength: 3 }),
  retries: fc.nat(2),
  maybe: fc.boolean(),
  forward: fc.constantFrom<Fate['forward'][]>('done', 'done', 'done', 'skipped', 'failed', 'waiting'),
  back: fc.constantFrom<Fate['back'][]>('undone', 'undone', 'kept', 'undoFailed'),
  backRetries: fc.nat(2),
})

const graphs: fc.Arbitrary<Fate[]> = fc.array(fates, { minLength: 1, maxLength: 8 }).map((graph) =>
  graph.map((fate, place) => ({
    ...fate,
    after: place === 0 ? [] : [...new Set(fate.after.map((other) => other % place))],
  })),
)

type Step = { -readonly [K in keyof PlannedStep]: PlannedStep[K] }

/** Runs a graph to its rest as an owner would; `choose` picks which of the active steps ends next, or a crash (-1). */
function run(fates: readonly Fate[], compensates: boolean, choose: (options: number) => number) {
  const steps = fates.map(({ after }): Step => ({ after, phase: 'pending', due: false, maybe: false }))
  const left = fates.map(({ retries, backRetries }) => ({ retries, backRetries }))
  const log: { readonly what: string; readonly place: number }[] = []
  let compensating = false
  for (let round = 0; round < 500; round++) {
    const { start, rest } = plan(steps, compensating)
    for (const place of start) {
      log.push({ what: compensating ? 'undo' : 'start', place })
      Object.assign(steps[place]!, { phase: 'active', due: false })
    }
    const active = steps.flatMap(({ phase }, place) => (phase === 'active' ? [place] : []))
    if (active.length > 0) {
      const chosen = choose(active.length + 1) - 1
      if (chosen < 0) {
        // A crash: what was in flight is in doubt.
        for (const place of active)
          Object.assign(steps[place]!, {
            phase: compensating ? 'undoing' : 'retrying',
            due: true,
            maybe: true,
          })
      } else end(active[chosen]!)
      continue
    }
    if (rest === 'failed' && compensates) {
      compensating = true
      log.push({ what: 'compensate', place: -1 })
    } else if (rest === 'later') for (const step of steps) step.due = true
    else return { rest, steps, log, compensating }
  }
  throw new Error('it never comes to rest')

  function end(place: number): void {
    const fate = fates[place]!
    const step = steps[place]!
    if (compensating) {
      const again = left[place]!.backRetries-- > 0
      step.phase = again ? 'undoing' : fate.back
      log.push({ what: step.phase, place })
      if (!again) step.maybe = false
    } else {
      const again = left[place]!.retries-- > 0
      step.phase = again ? 'retrying' : fate.forward === 'waiting' ? 'done' : fate.forward
      step.maybe = fate.maybe && step.phase !== 'done' && step.phase !== 'skipped'
      log.push({ what: step.phase, place })
    }
  }
}

/** Turns a list of numbers into choices; at the end of the list always the first. */
function chooser(numbers: readonly number[]): (options: number) => number {
  let at = 0
  return (options) => (at < numbers.length ? numbers[at++]! % options : 1)
}

const choices = fc.array(fc.nat(), { maxLength: 60 })

describe('the plan of a run', () => {
  it('always comes to rest, wherever it crashes', () => {
    fc.assert(
      fc.property(graphs, fc.boolean(), choices, (fates, compensates, numbers) => {
        const { rest, compensating } = run(fates, compensates, chooser(numbers))
        expect(compensating ? ['compensated', 'stuck'] : ['succeeded', 'failed']).toContain(rest)
      }),
      { numRuns: 1_000 },
    )
  })

  it('starts a step only after all that it follows, and nothing new after a final failure', () => {
    fc.assert(
      fc.property(graphs, fc.boolean(), choices, (fates, compensates, numbers) => {
        const { log } = run(fates, compensates, chooser(numbers))
        const ended = new Set<number>()
        let failed = false
        for (const { what, place } of log) {
          if (what === 'start') {
            expect(fates[place]!.after.every((before) => ended.has(before))).toBe(true)
            expect(failed).toBe(false)
          }
          if (what === 'done' || what === 'skipped') ended.add(place)
          if (what === 'failed') failed = true
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('starts no forward step once it compensates, and undoes a step only when nothing that followed it is left', () => {
    fc.assert(
      fc.property(graphs, choices, (fates, numbers) => {
        const { log } = run(fates, true, chooser(numbers))
        const turn = log.findIndex(({ what }) => what === 'compensate')
        if (turn < 0) return
        const back = log.slice(turn + 1)
        expect(back.some(({ what }) => what === 'start')).toBe(false)
        const follows = (later: number, earlier: number): boolean =>
          fates[later]!.after.some((before) => before === earlier || follows(before, earlier))
        const open = new Set(
          log.slice(0, turn).flatMap(({ what, place }) => (what === 'done' ? [place] : [])),
        )
        for (const { what, place } of back) {
          if (what === 'undo') for (const other of open) expect(follows(other, place)).toBe(false)
          if (what === 'undone' || what === 'kept') open.delete(place)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('leaves nothing done and nothing in doubt behind when it says compensated', () => {
    fc.assert(
      fc.property(graphs, choices, (fates, numbers) => {
        const { rest, steps } = run(fates, true, chooser(numbers))
        if (rest !== 'compensated') return
        for (const { phase, maybe } of steps) {
          expect(phase).not.toBe('done')
          expect(maybe && phase !== 'undone' && phase !== 'kept').toBe(false)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('comes to the same end in whatever order parallel steps end', () => {
    const calm = graphs
      .map((fates) => fates.filter(({ forward }) => forward !== 'failed'))
      .map((fates) =>
        fates.map((fate, place) => ({ ...fate, after: fate.after.filter((other) => other < place) })),
      )
    const never = (numbers: readonly number[]) => {
      const choose = chooser(numbers)
      return (options: number) => 1 + (choose(options - 1) % (options - 1))
    }
    fc.assert(
      fc.property(calm, choices, choices, (fates, one, other) => {
        const phases = (numbers: readonly number[]) =>
          run(fates, true, never(numbers)).steps.map(({ phase }) => phase)
        expect(phases(one)).toEqual(phases(other))
      }),
    )
  })

  it('goes on with what is independent while a step waits', () => {
    const waiting: PlannedStep = { after: [], phase: 'waiting', due: false, maybe: false }
    const free: PlannedStep = { after: [], phase: 'pending', due: false, maybe: false }
    const behind: PlannedStep = { after: [0], phase: 'pending', due: false, maybe: false }
    expect(plan([waiting, free, behind], false)).toEqual({ start: [1], rest: 'active' })
    expect(plan([waiting, { ...free, phase: 'done' }, behind], false)).toEqual({ start: [], rest: 'later' })
  })

  it('undoes a step that waits for an id when it may have been called all the same', () => {
    const waiting: PlannedStep = { after: [0], phase: 'waiting', due: false, maybe: true }
    const before: PlannedStep = { after: [], phase: 'done', due: false, maybe: false }
    expect(plan([before, waiting], true)).toEqual({ start: [1], rest: 'active' })
    expect(plan([before, { ...waiting, maybe: false }], true)).toEqual({ start: [0], rest: 'active' })
  })

  it('goes on undoing what does not depend on a stuck undo', () => {
    const step = (after: number[], phase: StepPhase): PlannedStep => ({
      after,
      phase,
      due: true,
      maybe: false,
    })
    expect(plan([step([], 'done'), step([0], 'undoFailed'), step([], 'done')], true)).toEqual({
      start: [2],
      rest: 'active',
    })
    expect(plan([step([], 'done'), step([0], 'undoFailed')], true)).toEqual({ start: [], rest: 'stuck' })
  })
})

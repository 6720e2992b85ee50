import type { BusEvent } from '../../src/define/event.ts'
import type { AttemptContext, System } from '../../src/define/system.ts'
import { defineSystem } from '../../src/define/system.ts'
import { CallError } from '../../src/errors.ts'
import type { Dice } from './dice.ts'
import type { Trace } from './faulty-journal.ts'
import type { SimulatedProcess } from './process.ts'
import type { SinkCall } from './sink-invariants.ts'
import type { OrderData } from './contracts.ts'
import type { SystemPlan } from './system-plan.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What a target system does with a request. */
export const sinkAnswers = [
  'ok',
  'slow',
  'failed',
  'failed-after',
  'throttled',
  'refused',
  'no-answer',
  'hangs',
  'invalid',
  'conflict',
  'credential',
  'nothing-done',
] as const
export type SinkAnswer = (typeof sinkAnswers)[number]

/** The share of each answer; undefined: all is well. */
export type SinkRates = Readonly<Record<SinkAnswer, number>> | undefined

/** One line of a target's ledger: a request that was sent to it. */
export interface LedgerEntry extends SinkCall {
  readonly worker: string
  readonly sentAt: number
  readonly answer: SinkAnswer
  readonly type: string
  /** Its event's number in the sequence of its key. */
  readonly place: number | null
  /** Of a flow with several steps; '' otherwise. */
  readonly step: string
  /** What the journal did not say when it was sent, and had to. */
  readonly unready: readonly string[]
  /** The effect that it had, met again, or took back. */
  reference: string | undefined
  /** Its worker had been declared dead when it was sent. */
  readonly fromTheDead: boolean
  /** When it arrived at the target. */
  startedAt: number
  endedAt: number
  effect: boolean
}

/** What steps are given to talk to a simulated target. */
export interface TargetCall {
  send(flow: string, event: BusEvent, step?: string): Promise<unknown>
  find(flow: string, event: BusEvent, step?: string): Promise<unknown>
  /** Takes back the effect of this reference. */
  undo(
    flow: string,
    event: BusEvent,
    back: { readonly step: string; readonly reference: string },
  ): Promise<unknown>
  verify(flow: string, event: BusEvent): Promise<boolean>
}

/** What the targets need. */
export interface SinkDeps {
  readonly clock: VirtualClock
  readonly dice: Dice
  /** Whether this worker has been declared dead. */
  readonly isDead: (worker: string) => boolean
  readonly onAnswer: (answer: SinkAnswer) => void
  /** What the journal should say before such a call of a step is sent, and does not. */
  readonly unready: (call: {
    flow: string
    step: string
    seq: number
    kind: AttemptContext['kind']
  }) => string[]
  readonly trace: Trace | undefined
}

interface Request {
  readonly flow: string
  readonly step: string
  /** The effect to take back. */
  readonly back: string | undefined
  readonly event: BusEvent
  readonly context: AttemptContext
  readonly process: SimulatedProcess
  readonly plan: SystemPlan
}

/**
 * The target systems, outside of all processes: whatever was sent arrives, within less than the attempt's timeout, and
 * is answered as the dice say, or not. The ledger is append-only and holds every request with what it did.
 */
export class Sink {
  readonly ledger: LedgerEntry[] = []
  readonly #deps: SinkDeps
  /** By idempotency key: when the target last saw it take effect, and what that is called. */
  readonly #effects = new Map<string, { readonly since: number; readonly reference: string }>()
  /** What is there now, by step of a run. */
  readonly #live = new Map<string, Set<string>>()
  /** What persons have taken back by hand: the ledger holds requests alone. */
  readonly takenBack = new Set<string>()
  #references = 0
  rates: SinkRates

  constructor(deps: SinkDeps, rates: SinkRates) {
    this.#deps = deps
    this.rates = rates
  }

  /** The system as one process declares it. */
  system(plan: SystemPlan, process: SimulatedProcess): System<TargetCall> {
    return defineSystem<TargetCall>({
      ...plan.options,
      name: plan.name,
      connect: () => ({
        open: (context) => this.#open({ context, process, plan }),
        close: async () => undefined,
      }),
    })
  }

  /** Whether the target has the effect of this request. */
  has(idempotencyKey: string): boolean {
    return this.#effects.has(idempotencyKey)
  }

  /** What is there now of a step of a run. */
  live(flow: string, seq: number, step = ''): ReadonlySet<string> {
    return this.#live.get(`${flow}/${seq}/${step}`) ?? new Set()
  }

  /** A person enters by hand what a step should have done, unless it is there. */
  enter(flow: string, seq: number, step: string): string {
    const [there] = this.live(flow, seq, step)
    return there ?? this.#add(`${flow}/${seq}/${step}`)
  }

  /** A person takes back by hand what is there of a step. */
  takeBack(flow: string, seq: number, step: string): void {
    for (const reference of this.live(flow, seq, step)) this.takenBack.add(reference)
    this.#live.delete(`${flow}/${seq}/${step}`)
  }

  #add(object: string): string {
    const reference = `R${++this.#references}`
    this.#live.set(object, (this.#live.get(object) ?? new Set()).add(reference))
    return reference
  }

  #open(caller: Pick<Request, 'context' | 'process' | 'plan'>): TargetCall {
    const ask = (flow: string, event: BusEvent, step = '') =>
      this.#request({ ...caller, flow, event, step, back: undefined })
    return {
      send: ask,
      find: ask,
      undo: (flow, event, { step, reference }) =>
        this.#request({ ...caller, flow, event, step, back: reference }),
      verify: async (flow, event) => (await ask(flow, event)) !== undefined,
    }
  }

  async #request(request: Request): Promise<unknown> {
    const { context, process } = request
    await context.beforeRequest()
    const answer = this.#choose(request)
    if (process.dead) return new Promise(() => undefined)
    this.#deps.onAnswer(answer)
    const { flow, event, step } = request
    this.#deps.trace?.(`${process.id} ${context.kind} ${flow}/${event.seq} ${step} ${event.key} → ${answer}`)
    if (answer === 'refused') return this.#refuse(process)
    context.sent()
    return this.#send(request, answer)
  }

  #choose({ context: { kind }, plan }: Request): SinkAnswer {
    if (!this.rates) return 'ok'
    const answer = this.#deps.dice.weighted(this.rates)
    if (answer === 'nothing-done' && !(plan.verified && kind === 'send')) return 'ok'
    return kind !== 'send' && kind !== 'undo' && (answer === 'invalid' || answer === 'conflict')
      ? 'ok'
      : answer
  }

  #refuse(process: SimulatedProcess): Promise<never> {
    return new Promise((_, reject) => {
      const failure = new CallError({ class: 'unavailable', message: 'connection refused' })
      this.#deps.clock.timer(1, () => process.deliver(() => reject(failure)))
    })
  }

  #send(request: Request, answer: SinkAnswer): Promise<unknown> {
    const { clock, dice } = this.#deps
    const { timeoutMs } = request.plan
    const { flow, step, event, context } = request
    const call = { flow, step, seq: event.seq, kind: context.kind }
    const sent = {
      sentAt: clock.monotonic(),
      fromTheDead: this.#deps.isDead(request.process.id),
      unready: step === '' ? [] : this.#deps.unready(call),
    }
    const { sentAt } = sent
    const travelMs = dice.chance(0.1) ? dice.next() * timeoutMs * 0.6 : dice.next() * 5
    const workMs = answer === 'slow' ? dice.next() * timeoutMs * 1.2 : dice.next() * 20
    return new Promise((resolve, reject) => {
      clock.timer(travelMs, () => {
        const entry = this.#enter(request, { ...sent, answer })
        const result = this.#take(request, entry)
        const failure = failureOf(answer, dice)
        const silent = answer === 'no-answer' || answer === 'hangs'
        entry.endedAt = silent ? sentAt + timeoutMs : Math.min(sentAt + timeoutMs, clock.monotonic() + workMs)
        if (request.context.signal.aborted) entry.endedAt = entry.startedAt
        const onAbort = () => (entry.endedAt = Math.min(entry.endedAt, clock.monotonic()))
        request.context.signal.addEventListener('abort', onAbort)
        if (silent) return
        clock.timer(workMs, () =>
          request.process.deliver(() => (failure ? reject(failure) : resolve(result))),
        )
      })
    })
  }

  #enter(
    { flow, step, event, context, process, plan }: Request,
    sent: Pick<LedgerEntry, 'answer' | 'sentAt' | 'fromTheDead' | 'unready'>,
  ): LedgerEntry {
    const now = this.#deps.clock.monotonic()
    const entry: LedgerEntry = {
      system: plan.name,
      flow,
      step,
      reference: undefined,
      type: event.type,
      place: (event.data as OrderData).place,
      key: event.key ?? null,
      seq: event.seq,
      idempotencyKey: context.idempotencyKey,
      kind: context.kind,
      worker: process.id,
      ...sent,
      startedAt: now,
      endedAt: now,
      effect: false,
    }
    this.ledger.push(entry)
    return entry
  }

  /** What the request does at the target, and what it finds there. */
  #take({ back, plan }: Request, entry: LedgerEntry): { reference: string } | undefined {
    const key = entry.idempotencyKey
    const object = `${entry.flow}/${entry.seq}/${entry.step}`
    if (entry.kind === 'undo') {
      entry.reference = back
      entry.effect = effective.has(entry.answer) && (this.#live.get(object)?.delete(back ?? '') ?? false)
      return undefined
    }
    if (entry.kind === 'send' && effective.has(entry.answer)) {
      const before = this.#effects.get(key)
      const known = before !== undefined && entry.startedAt - before.since <= plan.remembersMs
      entry.effect = !known
      if (!known) this.#effects.set(key, { since: entry.startedAt, reference: this.#add(object) })
    }
    const reference =
      entry.kind === 'send'
        ? this.#effects.get(key)?.reference
        : [...this.live(entry.flow, entry.seq, entry.step)][0]
    entry.reference = reference
    return reference === undefined ? undefined : { reference }
  }
}

const effective: ReadonlySet<SinkAnswer> = new Set(['ok', 'slow', 'failed-after', 'no-answer'])

function failureOf(answer: SinkAnswer, dice: Dice): CallError | undefined {
  switch (answer) {
    case 'failed':
    case 'failed-after':
      return new CallError({ class: 'transient', status: 500, message: 'internal error' })
    case 'throttled':
      return new CallError({
        class: 'throttled',
        status: 429,
        message: 'slow down',
        retryAfterMs: dice.between(1, 2_000),
      })
    case 'invalid':
      return new CallError({ class: 'invalid', status: 422, message: 'no such article' })
    case 'conflict':
      return new CallError({ class: 'conflict', status: 409, message: 'changed meanwhile' })
    case 'credential':
      return new CallError({ class: 'credential', status: 401, message: 'token expired' })
    default:
      return undefined
  }
}

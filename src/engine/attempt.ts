import type { Abortable } from '../define/abortable.ts'
import type { Conceal } from '../define/conceal.ts'
import type { Ids } from '../define/link.ts'
import type { BusEvent } from '../define/event.ts'
import type { Written } from '../define/echo.ts'
import type { StepInput } from '../define/step.ts'
import type { Exchange } from '../define/system.ts'
import { CallError } from '../errors.ts'
import type { Clock, Random } from './clock.ts'
import { concealed } from './conceal-run.ts'
import type { AnnouncedWrite, Writes } from './echo-writes.ts'
import { idempotencyKey, traceparent } from './attempt-identity.ts'
import type { Outcome } from './outcome.ts'
import { failedOutcome, succeededWith } from './outcome.ts'
import type { CallRun } from './run.ts'
import { PhaseContext } from './phase-context.ts'
import { resultsOf } from './run.ts'
import { seenEvent } from './seen-event.ts'
import type { Linked } from './step-links.ts'
import { linksOf } from './step-links.ts'
import type { AttemptTrace, EngineTracer } from './tracer.ts'

/** One phase of an attempt for the record. */
export interface AttemptRecord {
  readonly kind: 'send' | 'find' | 'verify' | 'undo'
  /** `succeeded`, `absent`, or the error class. */
  readonly outcome: string
  readonly at: number
  readonly ms: number
  readonly status: number
  readonly code: string | null
  readonly message: string | null
  readonly exchange: Exchange | undefined
}

/** What an attempt came to, and what to remember of it. */
export interface AttemptReport {
  readonly outcome: Outcome
  /** What the step gave, or what `find` found. */
  readonly value: unknown
  /** The cross-references that it gives, of a step that declares some. */
  readonly linked?: Linked
  readonly records: readonly AttemptRecord[]
  readonly ms: number
}

/** What an attempt needs from its owner. */
export interface AttemptDeps {
  readonly hub: string
  readonly clock: Clock
  readonly random: Random
  /** Throws when the owner's lease may have ended: then nothing may be sent any more. */
  readonly checkLease: () => void
  /** Careful mode: called around the user's code; absent otherwise. */
  readonly mark?: (inside: boolean) => Promise<void>
  readonly ids: Ids
  /** For steps that say what they write. */
  readonly writes: Writes
  /** Absent where nothing is traced. */
  readonly tracer?: EngineTracer
  readonly onOver: (attempt: Attempt) => void
}

/**
 * Makes one attempt of a step, within its timeout: looks first (`find`) where an earlier try may have taken
 * effect, sends (`run`), reads back (`verify`); or, in a run that is compensated, takes it back (`undo`). Its phases share
 * a deadline, an idempotency key and the record; once it is over it is its own report.
 */
export class Attempt implements AttemptReport {
  readonly stepRun: CallRun
  /** Where it stands among those under way. */
  index = 0
  readonly records: AttemptRecord[] = []
  /** Of its requests. */
  readonly key: string
  readonly traceparent: string
  outcome: Outcome = notSent
  value: unknown = undefined
  linked?: Linked
  ms = 0
  readonly #deps: AttemptDeps
  readonly #trace: AttemptTrace | undefined
  readonly #abort = new AbortController()
  readonly #cancelDeadline: () => void
  /** Requests under way, to be ended when it is over before they are. */
  #requests: Abortable[] = []
  /** Ends the waiting for the phase under way. */
  #fail: ((error: unknown) => void) | undefined
  /** Why it is over before its phases are: nothing more may begin. */
  #over: CallError | undefined
  #conceal: Conceal | undefined
  #tokenVoidAt: number
  #timedOut = false
  #sent = 0
  #exchange: Exchange | undefined

  constructor(stepRun: CallRun, deps: AttemptDeps) {
    const { step, run } = stepRun
    this.stepRun = stepRun
    this.#deps = deps
    this.key = idempotencyKey(deps.hub, stepRun)
    this.#trace = deps.tracer?.begin(stepRun, this.key)
    this.traceparent = this.#trace?.traceparent ?? traceparent(run, this.key, deps.random)
    this.#tokenVoidAt = step.gate.tokenVoidAt
    this.#cancelDeadline = deps.clock.timer(step.definition.timeoutMs, () => {
      this.#timedOut = true
      this.#endEarly('timed out')
    })
  }

  /** Never rejects: whatever happens is an outcome, and `onOver` is told. */
  async make(): Promise<void> {
    const { mark, clock } = this.#deps
    const { run, step, attemptAt } = this.stepRun
    try {
      if (mark) await mark(true)
      const known = seenEvent(this.stepRun)
      const seen = known instanceof Promise ? await known : known
      if (run.compensating) await this.#back(seen)
      else {
        await this.#forward(seen)
        if (step.definition.links) await this.#link(seen)
      }
    } catch (error) {
      this.#fails(error, false)
      this.#record(run.compensating ? 'undo' : 'send', clock.now(), 0)
    } finally {
      this.#cancelDeadline()
      if (mark) await mark(false)
    }
    this.ms = clock.monotonic() - attemptAt
    this.#trace?.end(this)
    this.#deps.onOver(this)
  }

  /** Its owner gives up. */
  giveUp(): void {
    this.#endEarly('the worker gave up')
  }

  get conceal(): Conceal {
    return (this.#conceal ??= concealed(this.stepRun))
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Whether a request may be sent, at once where it is known at once. */
  beforeRequest(): Promise<void> | undefined {
    const { mark, clock, checkLease } = this.#deps
    const { gate } = this.stepRun.step
    const paid = !gate.settings.rate || this.#tokenVoidAt > clock.monotonic()
    this.#tokenVoidAt = 0
    if (mark || !paid) return this.#awaitRequest(paid)
    this.#abort.signal.throwIfAborted()
    checkLease()
    return undefined
  }

  async #awaitRequest(paid: boolean): Promise<void> {
    const { mark, checkLease } = this.#deps
    if (mark) await mark(false)
    if (!paid) await this.stepRun.step.gate.token()
    this.#abort.signal.throwIfAborted()
    checkLease()
  }

  checkLease(): void {
    this.#deps.checkLease()
  }

  /** A request that may have an effect has perhaps left. */
  sent(): void {
    this.#sent++
  }

  recordExchange(exchange: Exchange): void {
    this.#exchange = exchange
  }

  begun(request: Abortable): void {
    this.#requests.push(request)
  }

  ended(request: Abortable): void {
    const place = this.#requests.indexOf(request)
    if (place >= 0) this.#requests.splice(place, 1)
  }

  #endEarly(message: string): void {
    this.#over ??= new CallError({ class: this.#sent > 0 ? 'unknown' : 'unavailable', message })
    this.#abort.abort()
    this.#fail?.(this.#over)
    for (const request of this.#requests.splice(0)) request.abort()
  }

  #forward(seen: BusEvent): Promise<void> {
    const { step, maybeAt } = this.stepRun
    const { writes, verify, find } = step.definition
    if (writes || verify || (maybeAt !== null && find)) return this.#carefully(seen)
    return this.#phase('send', () => step.definition.run(this.#input('send', seen)))
  }

  /** With looking first, telling of the write, reading back: whichever the step has. */
  async #carefully(seen: BusEvent): Promise<void> {
    const step = this.stepRun.step.definition
    if (this.stepRun.maybeAt !== null && step.find) {
      await this.#find(seen)
      if (this.value !== undefined && step.writes) await this.#deps.writes.found(this.stepRun, this.value)
      if (this.outcome.kind === 'failed' || this.value !== undefined) return
    }
    const { writes } = step
    const send = () => step.run(this.#input('send', seen))
    await (writes
      ? this.#announced('send', () => writes(this.#facts(seen)), send)
      : this.#phase('send', send))
    if (this.outcome.kind === 'succeeded' && step.verify) await this.#verify(seen)
  }

  /** With the links that the step makes of its result. */
  async #link(seen: BusEvent): Promise<void> {
    if (this.outcome.kind === 'failed') return
    const { mark } = this.#deps
    if (mark) await mark(true)
    const facts = { event: seen, results: resultsOf(this.stepRun) }
    const linked = linksOf(this.stepRun.step.definition, this.value, facts)
    if (linked) this.linked = linked
  }

  /**
   * Takes the effect back: of a step that is done, or of one that `find` finds to have happened after all. After an undo
   * of unknown outcome `find` says whether there is still something to take back.
   */
  async #back(seen: BusEvent): Promise<void> {
    const { step, result, maybeAt } = this.stepRun
    const { undo, undoWrites, find } = step.definition
    let effect = result
    if (find && (result === undefined || maybeAt !== null)) {
      await this.#find(seen)
      if (this.outcome.kind === 'failed' || this.value === undefined) return
      if (result === undefined) effect = this.value
    }
    const takeBack = () => undo?.({ ...this.#input('undo', seen), result: effect as never })
    if (!undoWrites) return this.#phase('undo', takeBack)
    return this.#announced(
      'undo',
      () => undoWrites({ ...this.#facts(seen), result: effect as never }),
      takeBack,
    )
  }

  /** The system may tell of the write before it has answered: what is written is committed before it is sent. */
  async #announced(
    kind: 'send' | 'undo',
    writes: () => Written | undefined,
    work: () => unknown,
  ): Promise<void> {
    let announced: AnnouncedWrite | undefined
    await this.#phase(kind, async () => {
      const written = writes()
      if (written) announced = await this.#deps.writes.announce(this.stepRun, written)
      if (this.#over) void announced?.settle(notSent, undefined)
      this.#abort.signal.throwIfAborted()
      return work()
    })
    await announced?.settle(this.outcome, this.value)
  }

  #find(seen: BusEvent): Promise<void> {
    return this.#phase('find', () => this.stepRun.step.definition.find?.(this.#input('find', seen)))
  }

  async #verify(seen: BusEvent): Promise<void> {
    const step = this.stepRun.step.definition
    const { outcome: sent, value } = this
    await this.#phase('verify', async () => {
      const input = { ...this.#input('verify', seen), result: value as never }
      if (await step.verify?.(input)) return true
      throw new CallError({
        class: 'transient',
        vendorCode: 'step.not-verified',
        message: 'the system said yes, but reading back shows no effect',
      })
    })
    const failed = this.outcome.kind === 'failed'
    this.outcome =
      this.outcome.kind === 'failed' ? { ...this.outcome, maybe: true, systemFault: false } : sent
    this.value = failed ? undefined : value
  }

  /** One phase: what the user's code came to is the attempt's outcome and value until the next. */
  #phase(kind: AttemptRecord['kind'], work: () => unknown): Promise<void> {
    const { mark } = this.#deps
    // The request of an earlier phase has ended the mark, and this phase is the user's code again.
    return mark ? mark(true).then(() => this.#inTime(kind, work)) : this.#inTime(kind, work)
  }

  /** Waits for the user's code, unless the attempt is over before; by callbacks, since each promise of an attempt shows in its cost. */
  #inTime(kind: AttemptRecord['kind'], work: () => unknown): Promise<void> {
    const { clock } = this.#deps
    const at = clock.now()
    const startedAt = clock.monotonic()
    this.#exchange = undefined
    return new Promise((resolve) => {
      const end = (take: () => void) => {
        if (this.#fail !== fail) return
        this.#fail = undefined
        take()
        this.#record(kind, at, clock.monotonic() - startedAt)
        resolve()
      }
      const done = (value: unknown) => end(() => this.#succeeds(value))
      const fail = (error: unknown) => end(() => this.#fails(error, kind === 'find' || kind === 'verify'))
      this.#fail = fail
      try {
        const result = this.#trace ? this.#trace.inside(work) : work()
        if (result instanceof Promise) result.then(done, fail)
        else done(result)
      } catch (error) {
        fail(error)
      }
      if (this.#over) fail(this.#over)
    })
  }

  #succeeds(value: unknown): void {
    this.value = value
    this.outcome = succeededWith(this.#exchange?.status ?? 0)
  }

  #fails(error: unknown, readOnly: boolean): void {
    const { conceal } = this
    this.outcome = failedOutcome(error, { sent: this.#sent, timedOut: this.#timedOut, readOnly, conceal })
    this.value = undefined
  }

  #record(kind: AttemptRecord['kind'], at: number, ms: number): void {
    const { outcome } = this
    const failed = outcome.kind === 'failed'
    const absent = kind === 'find' && this.value === undefined
    this.records.push({
      kind,
      outcome: failed ? outcome.class : absent ? 'absent' : 'succeeded',
      at,
      ms,
      status: outcome.status,
      code: failed ? outcome.code : null,
      message: failed ? outcome.message : null,
      exchange: this.#exchange,
    })
  }

  #facts(event: BusEvent): { readonly event: never; readonly results: never } {
    return { event: event as never, results: resultsOf(this.stepRun) }
  }

  #input(kind: AttemptRecord['kind'], event: BusEvent): StepInput<never, never, never> {
    const { step, attempts } = this.stepRun
    return {
      event: event as never,
      results: resultsOf(this.stepRun),
      call: step.connector.open(new PhaseContext(kind, event, this)) as never,
      ids: this.#deps.ids,
      idempotencyKey: this.key,
      attempt: attempts + 1,
      signal: this.#abort.signal,
    }
  }
}

/** The deadline has passed before anything was sent. */
const notSent = failedOutcome(
  new CallError({ class: 'unavailable', message: 'timed out; nothing had been sent' }),
  { sent: 0, timedOut: false, readOnly: false, conceal: (text) => text },
)

import { hash } from 'node:crypto'
import type { Conceal } from '../define/conceal.ts'
import type { Ids } from '../define/link.ts'
import type { BusEvent } from '../define/event.ts'
import type { Written } from '../define/echo.ts'
import type { StepInput } from '../define/step.ts'
import type { AttemptContext, Exchange } from '../define/system.ts'
import { CallError } from '../errors.ts'
import type { Clock, Random } from './clock.ts'
import { concealed } from './conceal-run.ts'
import type { AnnouncedWrite, Writes } from './echo-writes.ts'
import type { Outcome } from './outcome.ts'
import { failedOutcome } from './outcome.ts'
import type { CallRun, Run } from './run.ts'
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
  /** Aborts when the owner gave up. */
  readonly signal: AbortSignal
  readonly ids: Ids
  /** For steps that say what they write. */
  readonly writes: Writes
  /** Absent where nothing is traced. */
  readonly tracer?: EngineTracer
}

/** What a step's idempotency key is made of. */
export interface KeyParts {
  readonly run: Pick<Run, 'keyGen' | 'compensating'> & {
    readonly event: Pick<Run['event'], 'source' | 'id'>
    readonly flow: { readonly name: string }
  }
  readonly step: { readonly definition: { readonly name: string } }
  readonly keyNo: number
}

/**
 * Stable for the step of a run: retries, crashes, takeovers and restores send the same key. Never made of seq. Another
 * one for the undo, and after an edit of the step's input.
 */
export function idempotencyKey(hub: string, { run, step, keyNo }: KeyParts): string {
  const { source, id } = run.event
  const parts = [hub, run.flow.name, source, id, run.keyGen, step.definition.name, keyNo]
  if (run.compensating) parts.push('undo')
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, 40)
}

/**
 * Makes one attempt of a step, within its timeout: looks first (`find`) where an earlier try may have taken
 * effect, sends (`run`), reads back (`verify`); or, in a run that is compensated, takes it back (`undo`). Never rejects: whatever happens is an outcome.
 */
export async function attempt(stepRun: CallRun, deps: AttemptDeps): Promise<AttemptReport> {
  const { clock } = deps
  const startedAt = clock.monotonic()
  const phases = new Phases(stepRun, deps)
  const { outcome, value, linked } = await phases.all()
  const report = { outcome, value, records: phases.records, ms: clock.monotonic() - startedAt }
  phases.trace?.end(report)
  return linked ? { ...report, linked } : report
}

/** The phases of one attempt share a deadline, an idempotency key and the record. */
class Phases {
  readonly records: AttemptRecord[] = []
  readonly #stepRun: CallRun
  readonly #deps: AttemptDeps
  readonly #key: string
  readonly #traceparent: string
  readonly trace: AttemptTrace | undefined
  readonly #abort = new AbortController()
  readonly #deadline: Promise<never>
  readonly #cancelDeadline: () => void
  readonly #conceal: Conceal
  #tokenVoidAt: number
  #timedOut = false
  #sent = 0
  #exchange: Exchange | undefined

  constructor(stepRun: CallRun, deps: AttemptDeps) {
    const { step } = stepRun
    this.#stepRun = stepRun
    this.#conceal = concealed(stepRun)
    this.#deps = deps
    this.#key = idempotencyKey(deps.hub, stepRun)
    this.trace = deps.tracer?.begin(stepRun, this.#key)
    this.#traceparent = this.trace?.traceparent ?? traceparent(stepRun.run, this.#key, deps.random)
    this.#tokenVoidAt = step.gate.tokenVoidAt
    const { promise, reject } = Promise.withResolvers<never>()
    const fail = (timedOut: boolean) => {
      this.#timedOut = timedOut
      this.#abort.abort()
      reject(
        new CallError({
          class: this.#sent > 0 ? 'unknown' : 'unavailable',
          message: timedOut ? 'timed out' : 'the worker gave up',
        }),
      )
    }
    const cancelTimer = deps.clock.timer(step.definition.timeoutMs, () => fail(true))
    const onAbort = () => fail(false)
    deps.signal.addEventListener('abort', onAbort)
    this.#deadline = promise
    this.#deadline.catch(() => undefined)
    this.#cancelDeadline = () => {
      cancelTimer()
      deps.signal.removeEventListener('abort', onAbort)
    }
  }

  async all(): Promise<Ended> {
    const { step, run } = this.#stepRun
    const { compensating } = run
    try {
      const { mark } = this.#deps
      if (mark) await mark(true)
      const known = seenEvent(this.#stepRun)
      const seen = known instanceof Promise ? await known : known
      if (compensating) return await this.#back(seen)
      const ended = await this.#forward(seen)
      return step.definition.links ? await this.#linked(seen, ended) : ended
    } catch (error) {
      const outcome = failedOutcome(error, {
        sent: this.#sent,
        timedOut: this.#timedOut,
        readOnly: false,
        conceal: this.#conceal,
      })
      this.#record(compensating ? 'undo' : 'send', outcome, this.#deps.clock.now(), 0)
      return { outcome, value: undefined }
    } finally {
      this.#cancelDeadline()
      const { mark } = this.#deps
      if (mark) await mark(false)
    }
  }

  #forward(seen: BusEvent): Promise<Ended> {
    const step = this.#stepRun.step.definition
    const isPlain = !step.writes && !step.verify && (this.#stepRun.maybeAt === null || !step.find)
    return isPlain ? this.#phase('send', () => step.run(this.#input('send', seen))) : this.#carefully(seen)
  }

  /** With looking first, telling of the write, reading back: whichever the step has. */
  async #carefully(seen: BusEvent): Promise<Ended> {
    const step = this.#stepRun.step.definition
    if (this.#stepRun.maybeAt !== null && step.find) {
      const found = await this.#find(seen)
      if (found.value !== undefined && step.writes) await this.#deps.writes.found(this.#stepRun, found.value)
      if (found.outcome.kind === 'failed' || found.value !== undefined) return found
    }
    const { writes } = step
    const send = () => step.run(this.#input('send', seen))
    const sent = await (writes
      ? this.#announced('send', () => writes(this.#facts(seen)), send)
      : this.#phase('send', send))
    if (sent.outcome.kind === 'failed' || !step.verify) return sent
    return this.#verify(seen, sent)
  }

  /** With the links that the step makes of its result. */
  async #linked(seen: BusEvent, ended: Ended): Promise<Ended> {
    const { definition } = this.#stepRun.step
    if (ended.outcome.kind === 'failed') return ended
    const { mark } = this.#deps
    if (mark) await mark(true)
    const linked = linksOf(definition, ended.value, { event: seen, results: resultsOf(this.#stepRun) })
    return linked ? { ...ended, linked } : ended
  }

  /**
   * Takes the effect back: of a step that is done, or of one that `find` finds to have happened after all. After an undo
   * of unknown outcome `find` says whether there is still something to take back.
   */
  async #back(seen: BusEvent): Promise<Ended> {
    const { step, result, maybeAt } = this.#stepRun
    const { undo, undoWrites, find } = step.definition
    let effect = result
    if (find && (result === undefined || maybeAt !== null)) {
      const found = await this.#find(seen)
      if (found.outcome.kind === 'failed' || found.value === undefined) return found
      if (result === undefined) effect = found.value
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
  ): Promise<Ended> {
    let announced: AnnouncedWrite | undefined
    const ended = await this.#phase(kind, async () => {
      const written = writes()
      if (written) announced = await this.#deps.writes.announce(this.#stepRun, written)
      if (this.#abort.signal.aborted) void announced?.settle(notSent, undefined)
      this.#abort.signal.throwIfAborted()
      return work()
    })
    await announced?.settle(ended.outcome, ended.value)
    return ended
  }

  #find(seen: BusEvent): Promise<Ended> {
    return this.#phase('find', () => this.#stepRun.step.definition.find?.(this.#input('find', seen)))
  }

  async #verify(seen: BusEvent, sent: Ended): Promise<Ended> {
    const step = this.#stepRun.step.definition
    const verified = await this.#phase('verify', async () => {
      const input = { ...this.#input('verify', seen), result: sent.value as never }
      if (await step.verify?.(input)) return true
      throw new CallError({
        class: 'transient',
        vendorCode: 'step.not-verified',
        message: 'the system said yes, but reading back shows no effect',
      })
    })
    return verified.outcome.kind === 'failed'
      ? { outcome: { ...verified.outcome, maybe: true, systemFault: false }, value: undefined }
      : sent
  }

  async #phase(kind: AttemptRecord['kind'], work: () => unknown): Promise<Ended> {
    const { clock, mark } = this.#deps
    const at = clock.now()
    const startedAt = clock.monotonic()
    // The request of an earlier phase has ended the mark, and this phase is the user's code again.
    if (mark) await mark(true)
    this.#exchange = undefined
    let value: unknown
    let outcome: Outcome
    try {
      const result = this.trace ? this.trace.inside(work) : work()
      value = result instanceof Promise ? await Promise.race([result, this.#deadline]) : result
      outcome = { kind: 'succeeded', status: this.#lastStatus() }
    } catch (error) {
      outcome = failedOutcome(error, {
        sent: this.#sent,
        timedOut: this.#timedOut,
        readOnly: kind === 'find' || kind === 'verify',
        conceal: this.#conceal,
      })
    }
    this.#record(kind, outcome, at, clock.monotonic() - startedAt, kind === 'find' && value === undefined)
    return { outcome, value }
  }

  #lastStatus(): number {
    return this.#exchange?.status ?? 0
  }

  // eslint-disable-next-line max-params -- one place, all of it goes into one record
  #record(kind: AttemptRecord['kind'], outcome: Outcome, at: number, ms: number, absent = false): void {
    const failed = outcome.kind === 'failed'
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
    return { event: event as never, results: resultsOf(this.#stepRun) }
  }

  #input(kind: AttemptRecord['kind'], event: BusEvent): StepInput<never, never, never> {
    const { step, attempts } = this.#stepRun
    return {
      event: event as never,
      results: resultsOf(this.#stepRun),
      call: step.connector.open(this.#context(kind, event)) as never,
      ids: this.#deps.ids,
      idempotencyKey: this.#key,
      attempt: attempts + 1,
      signal: this.#abort.signal,
    }
  }

  #context(kind: AttemptRecord['kind'], event: BusEvent): AttemptContext {
    const { gate } = this.#stepRun.step
    return {
      kind,
      idempotencyKey: this.#key,
      traceparent: this.#traceparent,
      event,
      signal: this.#abort.signal,
      beforeRequest: async () => {
        const { mark } = this.#deps
        if (mark) await mark(false)
        const prepaid = this.#tokenVoidAt > this.#deps.clock.monotonic()
        this.#tokenVoidAt = 0
        if (!prepaid) await gate.token()
        this.#abort.signal.throwIfAborted()
        this.#deps.checkLease()
      },
      checkLease: this.#deps.checkLease,
      sent: () => {
        if (kind === 'send' || kind === 'undo') this.#sent++
      },
      record: (exchange) => {
        this.#exchange = exchange
      },
      conceal: this.#conceal,
    }
  }
}

/** The deadline has passed before anything was sent. */
const notSent = failedOutcome(
  new CallError({ class: 'unavailable', message: 'timed out; nothing had been sent' }),
  { sent: 0, timedOut: false, readOnly: false, conceal: (text) => text },
)

interface Ended {
  readonly outcome: Outcome
  readonly value: unknown
  readonly linked?: Linked
}

/** W3C Trace Context: the event's own trace goes on; without one, the trace id follows from the idempotency key, so that all tries share it. */
function traceparent(run: Run, key: string, random: Random): string {
  const incoming = /"traceparent":"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})"/.exec(run.event.ext)
  const span =
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0') +
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0')
  return `00-${incoming?.[1] ?? key.slice(0, 32)}-${span}-${incoming?.[2] ?? '01'}`
}

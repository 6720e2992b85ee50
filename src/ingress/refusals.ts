import type { Conceal } from '../define/conceal.ts'
import type { Redaction } from '../define/redaction.ts'
import { withoutSecrets } from '../define/secrets.ts'
import { BusbarError } from '../errors.ts'
import type { Fault } from './faults.ts'
import { EventRefused } from './faults.ts'

/** One intake that was refused, as it is kept. */
export interface RefusedIntake {
  /** Milliseconds since 1970. */
  readonly at: number
  /** `events`, or the name of a source. */
  readonly door: string
  readonly code: string
  readonly why: string
  readonly source: string | null
  readonly type: string | null
  readonly eventId: string | null
  readonly faults: readonly Fault[]
  readonly bytes: number
  readonly sample: string
  readonly times: number
}

/** What a door knows of what it refused. */
export interface Refusal {
  readonly door: string
  readonly error: unknown
  readonly body: Buffer
  /** More than the sender was told. */
  readonly why?: string
}

/** What the refusals need. */
export interface RefusalsDeps {
  readonly redaction: Redaction
  readonly store: (refused: readonly RefusedIntake[]) => Promise<unknown>
  readonly onError: (error: unknown) => void
}

const everyMs = 1_000
const mostWaiting = 200
const mostRead = 16_384
const mostShown = 2_000
const mostFaults = 10
const maxName = 255
/** They say nothing about what was sent: it is to be sent again. */
const passing: ReadonlySet<string> = new Set(['overloaded', 'journal.unavailable', 'request.rate-limited'])

/**
 * Keeps what the doors of this process refused, for people to see: gathered for a second, the same reason at the same
 * door counted once, at most 200 different ones; what is beyond is not kept. Samples are bounded and hold nothing that
 * must not be shown. `start` and `stop` are safe to call twice.
 */
export class Refusals {
  readonly #deps: RefusalsDeps
  #waiting = new Map<string, RefusedIntake>()
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<unknown> = Promise.resolve()

  constructor(deps: RefusalsDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#flush(), everyMs).unref()
  }

  /** Resolves when what was noted is stored, or could not be. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await this.#flush()
  }

  /** Notes a refusal; cheap, and never throws. */
  note({ door, error, body, why }: Refusal): void {
    if (!(error instanceof BusbarError) || passing.has(error.code)) return
    const said = why ?? error.message
    const id = `${door}\n${error.code}\n${said}`
    const known = this.#waiting.get(id)
    if (known) return void this.#waiting.set(id, { ...known, times: known.times + 1 })
    if (this.#waiting.size >= mostWaiting) return
    const { redaction } = this.#deps
    const faults = error instanceof EventRefused ? error.faults.slice(0, mostFaults) : []
    this.#waiting.set(id, {
      ...{ at: Date.now(), door, code: error.code, why: storable(said), faults: faults.map(storableFault) },
      ...sampleOf(body, redaction),
      bytes: body.length,
      times: 1,
    })
  }

  #flush(): Promise<unknown> {
    const refused = [...this.#waiting.values()]
    if (refused.length === 0) return this.#flushing
    this.#waiting = new Map()
    this.#flushing = this.#flushing
      .then(() => this.#deps.store(refused))
      .catch((error: unknown) => this.#deps.onError(error))
    return this.#flushing
  }
}

function storable(text: string, most = 500): string {
  return withoutSecrets(text).slice(0, most).toWellFormed().replaceAll('\0', '\uFFFD')
}

function storableFault({ pointer, message }: Fault): Fault {
  return { pointer: storable(pointer, maxName), message: storable(message) }
}

/** The beginning of what was sent, and what of it names the event. */
function sampleOf(
  body: Buffer,
  redaction: Redaction,
): Pick<RefusedIntake, 'source' | 'type' | 'eventId' | 'sample'> {
  const text = body.subarray(0, mostRead).toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { source: null, type: null, eventId: null, sample: storable(redaction.unread(text), mostShown) }
  }
  const { type, source, id } = (value ?? {}) as Record<string, unknown>
  return {
    source: named(source),
    type: named(type),
    eventId: named(id),
    sample: storable(concealOf(value, redaction)(JSON.stringify(shown(value, redaction))), mostShown),
  }
}

/** A CloudEvent by its contract; anything else by the names of its fields. */
function shown(value: unknown, redaction: Redaction): unknown {
  if (Array.isArray(value)) return value.slice(0, 20).map((each) => shown(each, redaction))
  const { type, data } = (value ?? {}) as Record<string, unknown>
  if (typeof type !== 'string' || data === undefined) return redaction.data(undefined, value)
  const rest = redaction.data(undefined, { ...(value as object), data: undefined }) as object
  return { ...rest, data: redaction.data(type, data) }
}

/** What must not be shown may stand in a field that is not marked, too: that may be why it was refused. */
function concealOf(value: unknown, redaction: Redaction): Conceal {
  const { type, data } = (value ?? {}) as Record<string, unknown>
  return redaction.conceal(typeof type === 'string' ? type : undefined, data ?? value)
}

function named(value: unknown): string | null {
  return typeof value === 'string' ? storable(value, maxName) : null
}

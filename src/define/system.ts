import type { UnderWay } from './abortable.ts'
import type { Duration } from './duration.ts'
import { durationMs } from './duration.ts'
import type { BusinessHours, Calendar } from './business-hours.ts'
import { calendarOf } from './business-hours.ts'
import { checkName } from './name.ts'
import type { Range } from './range.ts'
import { inRange } from './range.ts'

/** How often and how much at once a system may be called, over all workers together. */
export interface SystemLimits {
  /** Most attempts at the same time; default 16. */
  readonly concurrency?: number
  /** Most requests in any window of this length (`find` and `verify` count too); default none. */
  readonly rate?: { readonly max: number; readonly per: Duration }
}

/** When to stop calling a system that fails, and how to try again. */
export interface BreakerOptions {
  /** Opens after this many calls in a row without an answer (refused, reset, timed out); default 5. */
  readonly consecutiveFailures?: number
  /** Opens when this share of at least `minimumCalls` calls within 10 s failed; default 0.5. */
  readonly failureRatio?: number
  /** Default 20. */
  readonly minimumCalls?: number
  /** Time to the first probe; doubles up to `maxProbeDelay`. Default 500 ms. */
  readonly probeDelay?: Duration
  /** Default 10 s. */
  readonly maxProbeDelay?: Duration
}

/**
 * What the system does with a repeated request. `keyLife`: it honours the `Idempotency-Key` for so long (default
 * `'24h'`). `'none'`: it does not, so an unknown outcome is looked up with `find`, or parked where there is no `find`.
 */
export type IdempotencyOptions = { readonly keyLife: Duration } | 'none'

/** Options that every kind of system has. */
export interface SystemOptions {
  readonly name: string
  /** What people call it: `'ERP'`; default: its name. */
  readonly label?: string
  readonly limits?: SystemLimits
  readonly breaker?: BreakerOptions
  readonly idempotency?: IdempotencyOptions
  /** How long one attempt may take, all its requests together; default 30 s. */
  readonly timeout?: Duration
  /** How long to wait after an unknown outcome before `find` looks; default: the timeout. */
  readonly settle?: Duration
  /**
   * Times in which it is not called, every week: calls wait, and use up no attempts. Hours over midnight are two windows.
   *
   * @example maintenance: [{ timeZone: 'Europe/Berlin', days: ['sun'], from: '02:00', to: '04:00' }]
   */
  readonly maintenance?: readonly BusinessHours[]
}

/** The same with defaults filled in and durations in milliseconds. */
export interface SystemSettings {
  readonly concurrency: number
  readonly rate: { readonly max: number; readonly perMs: number } | undefined
  readonly breaker: {
    readonly consecutiveFailures: number
    readonly failureRatio: number
    readonly minimumCalls: number
    readonly probeDelayMs: number
    readonly maxProbeDelayMs: number
  }
  /** How long the target honours an idempotency key; 0 when it does not. */
  readonly keyLifeMs: number
  readonly timeoutMs: number
  readonly settleMs: number
  readonly maintenance: readonly Calendar[]
}

/** What one exchange with the system looked like; kept, bounded and redacted, with the attempt. */
export interface Exchange {
  readonly request: string
  readonly response?: string
  readonly status?: number
  readonly ms: number
  /** What was called, without query, headers and body, for traces. */
  readonly call?: { readonly method: string; readonly path: string }
}

/** What the engine tells a connector about the attempt that it is about to make calls for. Its methods are called on it, never taken out of it. */
export interface AttemptContext extends UnderWay {
  readonly kind: 'send' | 'find' | 'verify' | 'undo'
  /** Stable over retries, crashes and takeovers of the step; sent to the target. */
  readonly idempotencyKey: string
  /** W3C Trace Context for the outgoing request. */
  readonly traceparent: string
  readonly event: {
    readonly id: string
    readonly source: string
    readonly type: string
    readonly subject: string | undefined
    readonly time: string | undefined
    readonly key: string | undefined
  }
  /** Aborts when the attempt's deadline has passed or its lease was lost. */
  readonly signal: AbortSignal
  /**
   * To be awaited before each request: checks the lease, takes a token of the rate limit, and may refuse by throwing.
   * Answers nothing where there is nothing to wait for.
   */
  beforeRequest(): Promise<void> | undefined
  /**
   * To be called right before bytes leave, where the request had to wait for a connection after `beforeRequest`: throws
   * when the lease was lost meanwhile, and then it must not leave.
   */
  checkLease(): void
  /** To be told as soon as the request may have reached the target: from then on a missing answer is an unknown outcome. */
  sent(): void
  /** Records an exchange for the attempt's record; texts that it cuts must have gone through `conceal` before. */
  record(exchange: Exchange): void
  /** Takes the values of the event's fields that must not be shown, and credentials, out of a text. */
  readonly conceal: (text: string) => string
}

/** What credentials a system is called with. Moments in milliseconds since 1970, left out where they are not known. */
export interface CredentialFacts {
  readonly kind: string
  readonly obtainedAt?: number | undefined
  readonly expiresAt?: number | undefined
}

/** A live connection to a system. `Call` is what steps are given to talk to it. */
export interface Connector<Call> {
  /** The `call` object for one attempt. */
  open(attempt: AttemptContext): Call
  /** Makes one harmless call: resolves when the system answers as it should, rejects as calls do. No event is behind it: kind is `find`. Absent: it cannot be tested. */
  check?(attempt: AttemptContext): Promise<void>
  /** What credentials it calls with, and how old they are; never the credentials. */
  credentials?(): CredentialFacts | undefined
  /** Ends pools and timers; running requests are aborted. Safe to call twice. */
  close(): Promise<void>
}

/** A business application that flows call: its name, its rules, and how to connect to it. */
export interface System<Call = unknown> {
  readonly kind: 'system'
  readonly name: string
  /** What people call it. */
  readonly label: string
  readonly settings: SystemSettings
  /** Shown to people: a base URL without credentials, or the like. */
  readonly address: string
  /** Everything it sends goes through the transport where one is given, so that its requests can be shown without being sent. */
  readonly overTransport?: boolean
  connect(options: ConnectOptions): Connector<Call>
}

/** One request as a transport carries it. */
export interface TransportRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer | undefined
}

/** One answer as it came; header names in lower case. */
export interface TransportAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Carries requests in the place of the network; `onSent` is called as soon as one may have reached its target. */
export type Transport = (
  request: TransportRequest,
  options: { readonly signal: AbortSignal; readonly onSent: () => void },
) => Promise<TransportAnswer>

/** What a connector is told of the hub it works for. */
export interface ConnectOptions {
  /** Set by the testing kit: a connector over HTTP uses it and opens no connection. */
  readonly transport?: Transport
  /** Names of headers and fields, and paths to fields, whose values must not enter the record, from the configuration. */
  readonly redact: readonly string[]
  /** Requests are only shown: there is a transport that sends none, and where credentials would have to be fetched they are left out. */
  readonly preview?: boolean
}

/**
 * Declares a system with a connector of your own; `httpSystem` is the one for HTTP APIs. A connector must await
 * `beforeRequest` before each request, call `checkLease` again when it has waited for a connection since, call `sent` once
 * bytes may have left, obey `signal`, and throw `CallError` with the right class on failure.
 */
export function defineSystem<Call>(
  options: SystemOptions & {
    readonly address?: string
    /** Set it when the connector sends everything through `ConnectOptions.transport` where one is given; default false. */
    readonly overTransport?: boolean
    readonly connect: (options: ConnectOptions) => Connector<Call>
  },
): System<Call> {
  checkName('system name', options.name)
  return {
    kind: 'system',
    name: options.name,
    label: options.label ?? options.name,
    settings: systemSettings(options),
    address: options.address ?? options.name,
    ...(options.overTransport && { overTransport: true }),
    connect: options.connect,
  }
}

/** Longer than this a timer of Node does not wait: it fires at once. */
const longestTimerMs = 2 ** 31 - 1
const count = { from: 1, whole: true }
const wait = { above: 0, to: longestTimerMs }

/** Fills in the defaults. Throws `config.invalid` that names the system and the option which is out of range. */
export function systemSettings(options: SystemOptions): SystemSettings {
  const { name, limits, breaker, idempotency } = options
  const checked = (option: string, value: number, range: Range) =>
    inRange(`system "${name}": ${option}`, value, range)
  const timeoutMs = checked('timeout', durationMs(options.timeout ?? '30s'), wait)
  return {
    concurrency: checked('limits.concurrency', limits?.concurrency ?? 16, count),
    rate: limits?.rate && {
      max: checked('limits.rate.max', limits.rate.max, count),
      perMs: checked('limits.rate.per', durationMs(limits.rate.per), wait),
    },
    breaker: {
      consecutiveFailures: checked('breaker.consecutiveFailures', breaker?.consecutiveFailures ?? 5, count),
      failureRatio: checked('breaker.failureRatio', breaker?.failureRatio ?? 0.5, { above: 0, to: 1 }),
      minimumCalls: checked('breaker.minimumCalls', breaker?.minimumCalls ?? 20, count),
      probeDelayMs: checked('breaker.probeDelay', durationMs(breaker?.probeDelay ?? 500), wait),
      maxProbeDelayMs: checked('breaker.maxProbeDelay', durationMs(breaker?.maxProbeDelay ?? '10s'), wait),
    },
    keyLifeMs: idempotency === 'none' ? 0 : durationMs(idempotency?.keyLife ?? '24h'),
    timeoutMs,
    maintenance: (options.maintenance ?? []).map((hours) =>
      calendarOf(`system "${name}": maintenance`, hours),
    ),
    settleMs: checked('settle', durationMs(options.settle ?? timeoutMs), { from: 0, to: longestTimerMs }),
  }
}

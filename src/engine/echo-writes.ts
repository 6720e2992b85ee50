import type { Written } from '../define/echo.ts'
import { CallError, RetryableError } from '../errors.ts'
import type { GroupLease } from '../journal/port.ts'
import type { EchoJournal, WriteName, WriteOutcome, WriteRegistration } from '../journal/port-echoes.ts'
import type { Clock } from './clock.ts'
import { sleep } from './clock.ts'
import { fieldsFingerprint } from './echo.ts'
import { Gatherer } from './gatherer.ts'
import type { Outcome } from './outcome.ts'
import { storable } from './outcome.ts'
import type { CallRun } from './run.ts'

/** Lets the writes of steps be known before they are sent. */
export interface Writes {
  /** Resolves once it is committed that this is about to be written; rejects, with nothing sent, when it cannot be. */
  announce(stepRun: CallRun, written: Written): Promise<AnnouncedWrite>
  /** An earlier attempt of the step was found to have had its effect, with this result. */
  found(stepRun: CallRun, result: unknown): Promise<void>
}

/** A write that is known. */
export interface AnnouncedWrite {
  /** Says what became of it; resolves when that is committed, or after two seconds. */
  settle(outcome: Outcome, result: unknown): Promise<void>
}

/** What is needed to announce. */
export interface WritesDeps {
  readonly lease: GroupLease
  readonly journal: Pick<EchoJournal, 'registerWrites' | 'settleWrites'>
  readonly clock: Clock
  /** How long an echo from this system may take. */
  readonly windowMs: (system: string) => number
  /** The group has ended: what could not be told stays untold. */
  readonly isOver: () => boolean
  readonly onError: (error: unknown) => void
}

/** An outcome that the journal does not take within this time is told later; until then the write counts as under way. */
const settleGraceMs = 2_000
const maxObjectLength = 1_000

/** Writes are registered, and their outcomes told, many in one call where many come at once; steps that declare none cost nothing. */
export function createWrites(deps: WritesDeps): Writes {
  const { lease, journal, clock, windowMs, isOver, onError } = deps
  const registrations = new Gatherer<WriteRegistration>((batch) => journal.registerWrites(batch))
  const outcomes = new Gatherer<WriteOutcome>(async (batch) => {
    // A call that is lost must not leave a write that never happened: told again until it is known.
    for (let pauseMs = 50; !isOver(); pauseMs = Math.min(pauseMs * 2, 1_000)) {
      try {
        return await journal.settleWrites(batch)
      } catch (error) {
        onError(error)
        await sleep(clock, pauseMs)
      }
    }
  })
  const tell = (outcome: WriteOutcome) =>
    new Promise<void>((resolve) => {
      const cancel = clock.timer(settleGraceMs, resolve)
      void outcomes.add(outcome).finally(() => {
        cancel()
        resolve()
      })
    })
  return {
    async announce(stepRun, written) {
      const { step, attempts } = stepRun
      const name = nameOf(stepRun)
      const token = `${lease.group}/${lease.part}/${lease.epoch}/${attempts}`
      const registration = {
        ...name,
        system: step.gate.name,
        ...told(stepRun, written),
        versioned: step.definition.version !== undefined && !name.undo,
        token,
        settlesInMs: step.definition.timeoutMs + settleGraceMs,
        keepMs: windowMs(step.gate.name),
      }
      await registrations.add(registration).catch((cause: unknown) => {
        throw new RetryableError('what it writes could not be registered; nothing was sent', { cause })
      })
      return {
        settle: (outcome, result) =>
          tell({
            ...name,
            token,
            outcome: wordOf(outcome),
            version: versionOf(stepRun, outcome, { result, onError }),
          }),
      }
    },

    async found(stepRun, result) {
      const version = versionOf(stepRun, { kind: 'succeeded', status: 0 }, { result, onError })
      await tell({ ...nameOf(stepRun), token: null, outcome: 'done', version })
    },
  }
}

function nameOf({ run, step }: CallRun): WriteName {
  const { flow, event, gen, compensating } = run
  return { flow: flow.id, seq: event.seq, gen, step: step.definition.name, undo: compensating }
}

function wordOf(outcome: Outcome): WriteOutcome['outcome'] {
  if (outcome.kind === 'succeeded') return 'done'
  return outcome.maybe ? 'unknown' : 'failed'
}

/** The write has happened: a fault of the user's code here must not fail it. Without a version it may not be recognised, and runs. */
function versionOf(
  { step, run }: CallRun,
  outcome: Outcome,
  { result, onError }: { readonly result: unknown; readonly onError: (error: unknown) => void },
): string | null {
  const { version } = step.definition
  if (!version || outcome.kind === 'failed' || run.compensating) return null
  try {
    return versionText(version(result as never))
  } catch (error) {
    onError(error)
    return null
  }
}

/** A version as it is compared: text, null where there is none. */
export function versionText(version: string | number | undefined): string | null {
  return version === undefined || version === null ? null : storable(String(version), 255)
}

/** An object's id as it is compared; undefined where it is not one. */
export function objectText(object: unknown): string | undefined {
  const text = typeof object === 'number' ? String(object) : object
  const fits = typeof text === 'string' && text !== '' && text.length <= maxObjectLength
  return fits && text === storable(text) ? text : undefined
}

function told(stepRun: CallRun, written: Written): { readonly object: string; readonly fp: string | null } {
  const { definition } = stepRun.step
  const wrong = (problem: string) =>
    new CallError({
      class: 'invalid',
      message: `"${stepRun.run.compensating ? 'undoWrites' : 'writes'}" of step "${definition.name}": ${problem}`,
    })
  const object = objectText(written.object)
  if (object === undefined)
    throw wrong(`"object" must be the object's id, a number or 1 to ${maxObjectLength} characters`)
  if (written.fields) {
    try {
      return { object, fp: fieldsFingerprint(written.fields) }
    } catch (error) {
      throw wrong(`"fields" cannot be written as JSON: ${String(error)}`)
    }
  }
  if (!definition.version || stepRun.run.compensating)
    throw wrong('"fields" is missing: what an echo is recognised by, where no version is')
  return { object, fp: null }
}

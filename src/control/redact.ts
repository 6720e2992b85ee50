/**
 * What the control API lets out. Whoever answers with data of an event, with a step's input or result, with a recorded
 * request or answer, or with words that tell of them, sends it through one of these first:
 *
 * | to be shown | through |
 * |---|---|
 * | the data of an event, or data in its place | `shownData` (JSON text), `call.redaction.data(type, value)` |
 * | an event as `EventDetail` | `shownEvent` |
 * | a run as `RunDetail`: event, steps, attempts | `shownRun` |
 * | a text about an event (request, answer, message) | `call.redaction.conceal(type, data)`, which makes a function of texts |
 * | the result of a step | `call.redaction.concealIn(result, conceal)` |
 * | data that may not be JSON, or is cut off | `shownText` |
 * | an entry of the audit trail | `shownAudit`, then `auditFor` the caller |
 * | what a person sends back in the place of shown data | `call.redaction.restore(type, edited, original)` |
 *
 * Codes and messages of runs, steps, attempts and problems need nothing: the engine takes out what must not be shown before
 * it stores them. Credentials of this process are taken out of every answer at the door (`withoutSecrets`).
 */
import type { Caller } from '../access/caller.ts'
import type { Conceal } from '../define/conceal.ts'
import type { Redaction } from '../define/redaction.ts'
import { redacted } from '../define/secrets.ts'
import { suffices } from '../ingress/principal.ts'
import { parseExactly } from './exact-json.ts'
import type { Sentence } from './schema/common.ts'
import type { EventDetail } from './schema/event.ts'
import type { AuditEntry } from './schema/overview.ts'
import type { RunDetail } from './schema/run.ts'

/** The data of an event from its JSON text, marked fields replaced, numbers with all their digits. */
export function shownData(redaction: Redaction, type: string | undefined, json: string): unknown {
  return redaction.data(type, parseExactly(json))
}

/** The same as text; also of what is no JSON, or was cut off. */
export function shownText(redaction: Redaction, type: string | undefined, text: string): string {
  try {
    return JSON.stringify(shownData(redaction, type, text))
  } catch {
    return redaction.unread(text, type)
  }
}

/** An event with its data and extensions as they may be shown. */
export function shownEvent(event: EventDetail, redaction: Redaction): EventDetail {
  const conceal = redaction.conceal(event.type, event.data)
  return {
    ...shownContent(event, redaction, conceal),
    runs: event.runs.map((run) => ({ ...run, why: shownSentence(run.why, conceal) })),
  }
}

function shownContent<E extends Omit<EventDetail, 'runs'>>(
  event: E,
  redaction: Redaction,
  conceal: Conceal,
): E {
  const extensions = Object.entries(event.extensions).map(([name, value]) => [
    name,
    redaction.isSecret(name) ? redacted : conceal(value),
  ])
  return {
    ...event,
    data: redaction.data(event.type, event.data),
    extensions: Object.fromEntries(extensions) as Record<string, string>,
  }
}

/** A run with its event, steps and attempts as they may be shown, also those from before a field was marked. */
export function shownRun(run: RunDetail, redaction: Redaction): RunDetail {
  const { type, data } = run.event
  const results = run.steps.map(({ result }) => result)
  const inputs = run.steps.flatMap(({ input }) => (input === null ? [] : [input]))
  const conceals = [
    redaction.conceal(type, data, ...results),
    ...inputs.map((input) => redaction.conceal(type, input)),
  ]
  const conceal = (text: string) => conceals.reduce((left, each) => each(left), text)
  const ifAny = (text: string | null) => (text === null ? null : conceal(text))
  return {
    ...run,
    message: ifAny(run.message),
    reason: ifAny(run.reason),
    why: shownSentence(run.why, conceal),
    event: shownContent(run.event, redaction, conceal),
    steps: run.steps.map((step) => ({
      ...step,
      message: ifAny(step.message),
      reason: ifAny(step.reason),
      result: redaction.concealIn(step.result, conceal),
      input: step.input === null ? null : redaction.data(type, step.input),
    })),
    history: run.history.map((attempt) => ({
      ...attempt,
      message: ifAny(attempt.message),
      request: ifAny(attempt.request),
      response: ifAny(attempt.response),
    })),
    lane: run.lane && { ...run.lane, reason: ifAny(run.lane.reason) },
    audit: run.audit.map((entry) => shownAudit(entry, redaction)),
  }
}

/** The words of a sentence; what it names and its moments stay. */
export function shownSentence(sentence: Sentence, conceal: Conceal): Sentence {
  return sentence.map((part) => (part.kind === 'text' ? { ...part, text: conceal(part.text) } : part))
}

const given = ['data', 'input', 'result'] as const

/** An entry of the audit trail: data in it from before they were left out there. */
export function shownAudit(entry: AuditEntry, redaction: Redaction): AuditEntry {
  return { ...entry, before: shownSide(entry.before, redaction), after: shownSide(entry.after, redaction) }
}

/** The same for one who asks: from where people sign in is for admins. */
export function auditFor<Entry extends AuditEntry>({ scopes }: Caller, entry: Entry): Entry {
  const { verb, after } = entry
  if (!signIns.has(verb) || suffices(scopes, 'admin') || typeof after !== 'object' || after === null)
    return entry
  const { address: _, ...rest } = after as Record<string, unknown>
  return { ...entry, after: rest }
}

const signIns: ReadonlySet<string> = new Set(['sign in', 'fail to sign in'])

function shownSide(side: unknown, redaction: Redaction): unknown {
  if (typeof side !== 'object' || side === null) return side
  const { type } = side as { readonly type?: unknown }
  const shown = given.flatMap((name) => {
    const value = (side as Record<string, unknown>)[name]
    return typeof value === 'string'
      ? [[name, shownText(redaction, typeof type === 'string' ? type : undefined, value)] as const]
      : []
  })
  return { ...side, ...Object.fromEntries(shown) }
}

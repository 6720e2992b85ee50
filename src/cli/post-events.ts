import { addressOf, silence } from '../control/client.ts'
import { BusbarError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { Context } from './context.ts'

/** What became of one event. */
export interface Answer {
  readonly id: string
  readonly seq: number
  readonly duplicate: boolean
}

/** One fault that busbar names: where in the body, and what. */
export interface NamedFault {
  readonly pointer: string
  readonly message: string
}

const timeoutMs = 60_000

/**
 * Posts a body to `/events`. Throws `BusbarError` with the code and words of the problem document, and what it names in
 * `details`: `faults`, and for a batch `items`; `call.unavailable` when nobody is there, `call.unknown-outcome` when no
 * answer came, and nobody knows whether it was stored.
 */
export async function postEvents<T>(
  { options: { url, key } }: Context,
  { body, type }: { readonly body: string; readonly type: string },
): Promise<T> {
  const address = addressOf(url)
  let response: Response
  let value: unknown
  try {
    response = await fetch(`${address}/events`, {
      method: 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { 'content-type': type, ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      body,
    })
    value = await response.json().catch(() => undefined)
  } catch (error) {
    const { why, sent } = silence(error)
    const [code, words] = sent
      ? ([
          'call.unknown-outcome',
          'no answer from busbar, so it is not known whether anything was stored',
        ] as const)
      : ([
          'call.unavailable',
          'no busbar answers: start it with "busbar dev", or say where it is with --url',
        ] as const)
    throw new BusbarError(code, `${words} (${address}: ${why})`, { cause: error })
  }
  if (response.ok) return value as T
  throw refusal(value, response.status)
}

function refusal(value: unknown, status: number): BusbarError {
  const { code, detail, errors, items } = (value ?? {}) as {
    code?: ErrorCode
    detail?: string
    errors?: readonly NamedFault[]
    items?: readonly unknown[]
  }
  return new BusbarError(code ?? 'request.malformed', detail ?? `busbar answered ${status}`, {
    details: { faults: errors ?? [], items: items ?? [] },
  })
}

/** Whether it is not known if the events were stored: the same ids again are safe then. */
export function isUnknown({ code }: BusbarError): boolean {
  return code === 'journal.unavailable' || code === 'call.unknown-outcome' || code === 'overloaded'
}

import { BusbarError } from '../errors.ts'

/** Refuses a name that could not be shown, addressed or used in a URL: letters, digits, `.`, `_`, `-`, `/`, at most `maxLength`. */
export function checkName(what: string, name: string, maxLength = 80): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name) && name.length <= maxLength) return
  throw new BusbarError(
    'config.invalid',
    `${JSON.stringify(name)} is not a valid ${what}: use letters, digits, ".", "_", "-" or "/", starting with a letter or digit, at most ${maxLength} characters`,
  )
}

/**
 * The same for a flow. A run is written `<flow>/<seq>` or `<flow>/<seq>/<generation>`, so no part of a flow's name after a
 * slash may be a number alone: `orders/2026` would read as the run of another flow.
 */
export function checkFlowName(name: string): void {
  checkName('flow name', name)
  if (/\/\d+(?:\/|$)/.test(name))
    throw new BusbarError(
      'config.invalid',
      `"${name}" is not a valid flow name: after a slash there must be more than a number, since runs are written <flow>/<seq>`,
    )
}

import { BusbarError } from '../errors.ts'

/** Refuses a name that could not be shown, addressed or used in a URL: letters, digits, `.`, `_`, `-`, `/`, at most `maxLength`. */
export function checkName(what: string, name: string, maxLength = 80): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name) && name.length <= maxLength) return
  throw new BusbarError(
    'config.invalid',
    `${JSON.stringify(name)} is not a valid ${what}: use letters, digits, ".", "_", "-" or "/", starting with a letter or digit, at most ${maxLength} characters`,
  )
}

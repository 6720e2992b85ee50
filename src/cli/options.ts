import { BusbarError } from '../errors.ts'

/** The word among these that an option was given; throws `config.invalid` with all of them. */
export function oneOf<const Word extends string>(
  option: string,
  given: string,
  words: readonly Word[],
): Word {
  const word = words.find((each) => each === given)
  if (word === undefined)
    throw new BusbarError('config.invalid', `${option} is one of ${words.join(', ')}, not "${given}"`)
  return word
}

/** A whole number from 1 to `most`; throws `config.invalid`. */
export function countOf(option: string, given: string, most: number): number {
  const number = /^\d{1,15}$/.test(given) ? Number(given) : 0
  if (number < 1 || number > most)
    throw new BusbarError(
      'config.invalid',
      `${option} is a whole number from 1 to ${most.toLocaleString('en')}, not "${given}"`,
    )
  return number
}

/** Throws `config.invalid` when any of these options was given; `why` says what it does not go with. */
export function refuseOptions(given: Readonly<Record<string, unknown>>, why: string): void {
  const wrong = Object.entries(given).filter(([, value]) => value !== undefined && value !== false)
  if (wrong.length === 0) return
  const names = wrong.map(
    ([name]) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  )
  throw new BusbarError(
    'config.invalid',
    `${names.join(', ')} ${names.length === 1 ? 'does' : 'do'} not go with ${why}`,
  )
}

import { BusbarError } from '../errors.ts'

/**
 * Where a field is, from the root of the data: names of fields; `*` for any field or any item of a list; `**` for any
 * number of either.
 */
export type FieldPath = readonly string[]

/** Decides by the name of a field alone. */
export type NameRule = (name: string) => boolean

const { isRawJSON } = JSON as unknown as { readonly isRawJSON: (value: unknown) => boolean }

/**
 * Reads a path as people write it: `customer.iban`, `lines[].card`, `payments.*.token`. Throws `config.invalid` that names
 * `what` where it is none.
 */
export function parseFieldPath(what: string, text: string): FieldPath {
  const path = text
    .replaceAll('[]', '.*')
    .replace(/^\.(?=\*)/, '')
    .split('.')
  if (text === '' || path.includes(''))
    throw new BusbarError(
      'config.invalid',
      `${what}: "${text}" is no path to a field; write one such as customer.iban or lines[].card`,
    )
  return path
}

/** A copy of the value in which `change` has replaced every field that a path or the rule marks, at whatever depth. */
export function mapMarked(
  value: unknown,
  paths: readonly FieldPath[],
  options: { readonly isMarked: NameRule; readonly change: (value: unknown) => unknown },
): unknown {
  if (paths.some(isReached)) return options.change(value)
  if (!isObject(value)) return value
  const inner = (name: string, each: unknown, named: boolean) =>
    named && options.isMarked(name) ? options.change(each) : mapMarked(each, below(paths, name), options)
  if (Array.isArray(value)) return value.map((each, index) => inner(String(index), each, false))
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(name, each, true)]))
}

/** Whether it has fields or items; a number of too many digits for a double is an object that has none. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isRawJSON(value)
}

/** Whether a path ends here. */
function isReached(path: FieldPath): boolean {
  return path.every((part) => part === '**')
}

/** What is left of the paths one field further down. */
function below(paths: readonly FieldPath[], name: string): FieldPath[] {
  return paths.flatMap((path) => afterField(path, name))
}

function afterField(path: FieldPath, name: string): FieldPath[] {
  const [first, ...rest] = path
  if (first === undefined) return []
  if (first === '**') return [path, ...afterField(rest, name)]
  return first === '*' || first === name ? [rest] : []
}

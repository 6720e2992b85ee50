import { FinalError } from '../errors.ts'

/** A system, or its name: also of one that this deployment does not call. */
export type SystemName = string | { readonly name: string }

/** An id as data has it; a number is stored as its digits. */
export type LinkId = string | number

/** An object's id in the company's own words, and its id in the step's system. */
export interface LinkPair {
  readonly id: LinkId
  readonly external: LinkId
}

/**
 * Cross-references, by kind of object: the id that the step's system has given to the object that the event is about (its
 * key), or pairs for other objects. At most 500 of a step; ids are text of 1 to 255 bytes, or whole numbers.
 *
 * @example { order: result.id }
 * @example { customer: { id: event.data.customerId, external: result.customerId } }
 * @example { line: result.lines.map((line) => ({ id: line.reference, external: line.id })) }
 */
export type Links = Readonly<Record<string, LinkId | LinkPair | readonly LinkPair[]>>

/** Names the id that an object has in a system. */
export interface IdReference {
  readonly kind: string
  readonly id: string
  readonly system: string
}

/** Names the id of an object in a system: `ids('customer', 'C-7', erp)`. */
export type IdsOf = (kind: string, id: LinkId, system: SystemName) => IdReference

/** The ids that objects have in systems, as steps and people have given them. Each question is a look into the journal. */
export interface Ids {
  /** The id that an object has in a system; undefined as long as none is known. */
  get(kind: string, id: LinkId, system: SystemName): Promise<string | undefined>
  /** The object that has this id in a system; undefined when none is known. */
  find(kind: string, system: SystemName, external: LinkId): Promise<string | undefined>
}

/** One cross-reference that a step gives. */
export interface GivenLink {
  readonly kind: string
  readonly id: string
  readonly external: string
}

const maxLinks = 500
const maxBytes = 255

/** Names an id, checked; throws `FinalError`. */
export const idReference: IdsOf = (kind, id, system) => ({
  kind: linkText('kind', kind),
  id: linkText(`id of the ${kind}`, id),
  system: linkText('system', systemName(system)),
})

/** The name of a system. */
export function systemName(system: SystemName): string {
  return typeof system === 'string' ? system : system.name
}

/** An id as it is stored; throws `FinalError` when it cannot be one. */
export function linkText(what: string, value: unknown): string {
  const fault = linkFault(value)
  if (fault !== undefined) throw new FinalError(`the ${what} ${fault}`)
  return String(value)
}

/** Why this cannot be an id; undefined when it can. */
export function linkFault(value: unknown): string | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value)
      ? undefined
      : 'is no whole number that can be told exactly: give it as text'
  if (typeof value !== 'string')
    return `is ${value === null ? 'null' : typeof value}: give text or a whole number`
  if (value === '') return 'is empty'
  if (Buffer.byteLength(value) > maxBytes) return `has more than ${maxBytes} bytes`
  return value.includes('\0') || !value.isWellFormed() ? 'contains NUL or malformed Unicode' : undefined
}

/** The links that a step's `links` has answered, checked; `key` is the event's. Throws `FinalError`. */
export function givenLinks(answer: unknown, key: string | undefined): readonly GivenLink[] {
  if (answer === undefined || answer === null) return []
  if (typeof answer !== 'object' || Array.isArray(answer) || answer instanceof Promise)
    throw new FinalError('"links" must answer an object with a property for each kind of object')
  const links = Object.entries(answer).flatMap(([kind, value]: [string, unknown]) =>
    linksOfKind(kind, value, key),
  )
  if (links.length > maxLinks) throw new FinalError(`it gives ${links.length} links, more than ${maxLinks}`)
  return links
}

function linksOfKind(kind: string, value: unknown, key: string | undefined): GivenLink[] {
  linkText('kind', kind)
  if (typeof value !== 'object' || value === null) {
    const external = linkText(`external id of the ${kind}`, value)
    if (key === undefined)
      throw new FinalError(`the event has no key, so whose id is that? Give { ${kind}: { id, external } }`)
    return [{ kind, id: key, external }]
  }
  const pairs: readonly unknown[] = Array.isArray(value) ? value : [value]
  return pairs.map((pair) => {
    const { id, external } = (pair ?? {}) as Partial<LinkPair>
    return {
      kind,
      id: linkText(`id of the ${kind}`, id),
      external: linkText(`external id of the ${kind}`, external),
    }
  })
}

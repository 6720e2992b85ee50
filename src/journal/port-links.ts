/** Names the id that an object has in a system: `kind` and `id` are the company's own words for the object. */
export interface LinkName {
  readonly kind: string
  readonly id: string
  readonly system: string
}

/** Names the object that has an id in a system. */
export interface ExternalName {
  readonly kind: string
  readonly system: string
  readonly external: string
}

/** The links that this step has given are taken back: it was undone. */
export interface UndoneLinks {
  readonly flow: number
  readonly seq: number
  readonly gen: number
  readonly step: string
  readonly undone: true
}

/**
 * Cross-references: which id an object has in which system. Links are given, and waited for, by `OwnerJournal.flush`:
 * two ids for one object, or one id for two objects, is a conflict that overwrites nothing and becomes a problem. A wait
 * is never missed, whichever of link and wait is committed first, and released once the owner of its lane asks.
 */
export interface LinksJournal {
  /** The ids that these objects have, in the order asked; null where none is known. */
  externalIds(names: readonly LinkName[]): Promise<readonly (string | null)[]>
  /** The objects that have these ids, in the order asked; null where none is known. */
  canonicalIds(names: readonly ExternalName[]): Promise<readonly (string | null)[]>
  /** Makes lanes of the group due whose awaited links have come, at most `limit`; answers how many. Repeating it is harmless. */
  releaseLinked(ask: {
    readonly group: string
    readonly part: number
    readonly epoch: number
    readonly limit: number
  }): Promise<number | 'lost'>
  /** Forgets waits of the group that are over without their link, at most `limit` lanes; answers how many. */
  tidyLinkWaits(ask: {
    readonly group: string
    readonly part: number
    readonly epoch: number
    readonly limit: number
  }): Promise<number | 'lost'>
}

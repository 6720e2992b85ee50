/** What a key may do: publish events, read the control API, act on runs and systems. */
export type Scope = 'publish' | 'read' | 'operate'

/** Who is asking; its id stands in the audit trail. */
export interface Principal {
  readonly id: string
  readonly scopes: readonly Scope[]
}

/** Finds the principal of an API key; undefined when there is none. */
export type Authenticate = (key: string | undefined) => Promise<Principal | undefined> | Principal | undefined

import type { Published } from '../ingress/publish.ts'

/** An event type as the configuration declares it. */
export interface DeclaredType {
  readonly type: string
  readonly version: string
  readonly schema: Readonly<Record<string, unknown>> | null
  readonly redacted: readonly string[]
  readonly keyed: boolean
  readonly producers: readonly string[]
  readonly consumers: readonly { readonly flow: string; readonly systems: readonly string[] }[]
  readonly awaitedBy: readonly string[]
}

/** A source as the configuration declares it. */
export interface DeclaredSource {
  readonly name: string
  readonly kind: 'webhook' | 'consumer'
  /** Where events come in: a path, or what is connected to. */
  readonly address: string
}

/** A test event before it is checked. */
export interface TestPublication {
  readonly type: string
  readonly data: unknown
  readonly id: string
  readonly source: string
  readonly subject: string | undefined
}

/** What this process declares, and its door. */
export interface Declared {
  readonly name: string
  readonly types: readonly DeclaredType[]
  readonly sources: readonly DeclaredSource[]
  /** The key it would have. Throws `EventRefused` with every fault. */
  check(event: TestPublication): Promise<{ readonly key: string | null }>
  /** Publishes it as a test, after the same checks. Throws as the door does. */
  publish(event: TestPublication): Promise<Published & { readonly key: string | null }>
}

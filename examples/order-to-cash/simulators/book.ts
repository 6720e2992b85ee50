import { z } from 'zod'

/** What a document says; other fields are kept as they come. */
const Document = z.looseObject({
  id: z.string(),
  reference: z.string().min(1),
  revision: z.number().int().min(1),
  totalCents: z.number().int(),
})

/** A sale, an invoice or a shipment as a system keeps it. */
export type Document = z.infer<typeof Document>

/** One effect, in the order in which effects happened. Never changed, never removed. */
export interface Arrival {
  /** The shop's order number. */
  readonly reference: string
  readonly revision: number
  readonly totalCents: number
  /** The document that was made or changed. */
  readonly document: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A call as the business rules see it. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: unknown
}

/** An answer of the business rules. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** What kind of documents a system keeps. */
export interface BookOptions {
  /** The path under which they live, such as `sales`. */
  readonly collection: string
  /** Ids start with it. */
  readonly idPrefix: string
  /** Whether a document may be changed with PATCH; otherwise each revision is a document of its own. */
  readonly amendable: boolean
  /** Why the system does not take a document, whoever sends it and however often. */
  readonly refuses?: (document: Readonly<Record<string, unknown>>) => Refusal | undefined
}

/** What is wrong with which field of a document. */
export interface Refusal {
  readonly field: string
  readonly detail: string
}

/**
 * The documents of one system in memory, and the record of all that arrived. Like most business systems it takes the
 * same reference twice without a word, and an older revision after a newer one.
 */
export class Book {
  readonly #options: BookOptions
  readonly #documents = new Map<string, Document>()
  readonly #arrivals: Arrival[] = []
  #made = 0

  constructor(options: BookOptions) {
    this.#options = options
  }

  get documents(): readonly Document[] {
    return [...this.#documents.values()]
  }

  get arrivals(): readonly Arrival[] {
    return this.#arrivals
  }

  /** POST and GET on the collection; GET, DELETE (and PATCH, where documents are amendable) on a document. */
  answer(call: Call): Answer {
    const [collection, id, ...rest] = call.path.split('/').slice(1)
    if (collection !== this.#options.collection || rest.length > 0) return problem(404, 'no such path')
    if (id === undefined) return this.#onCollection(call)
    const document = this.#documents.get(id)
    if (!document) return problem(404, `no document ${id}`)
    if (call.method === 'GET') return { status: 200, body: document }
    if (call.method === 'PATCH' && this.#options.amendable) return this.#amend(document, call.body)
    if (call.method === 'DELETE') return this.#cancel(document)
    return problem(405, 'method not allowed')
  }

  #onCollection({ method, query, body }: Call): Answer {
    if (method === 'GET')
      return { status: 200, body: this.documents.filter((document) => matches(document, query)) }
    if (method !== 'POST') return problem(405, 'method not allowed')
    const id = `${this.#options.idPrefix}-${String(this.#made + 1).padStart(5, '0')}`
    const answer = this.#keep(201, { ...asObject(body), id })
    if (answer.status === 201) this.#made++
    return answer
  }

  #amend(document: Document, body: unknown): Answer {
    return this.#keep(200, { ...document, ...asObject(body), id: document.id, reference: document.reference })
  }

  /** It is gone; that it was there stays on record. */
  #cancel(document: Document): Answer {
    this.#documents.delete(document.id)
    return { status: 200, body: document }
  }

  #keep(status: number, candidate: object): Answer {
    const parsed = Document.safeParse(candidate)
    if (!parsed.success) return problem(422, z.prettifyError(parsed.error))
    const document = parsed.data
    const refusal = this.#options.refuses?.(document)
    if (refusal) return { status: 422, body: { status: 422, ...refusal } }
    const { id, reference, revision, totalCents } = document
    this.#documents.set(id, document)
    this.#arrivals.push({ reference, revision, totalCents, document: id, at: Date.now() })
    return { status, body: document }
  }
}

function matches(document: Document, query: URLSearchParams): boolean {
  return [...query].every(([field, value]) => String(document[field]) === value)
}

function asObject(body: unknown): object {
  return typeof body === 'object' && body !== null ? body : {}
}

function problem(status: number, detail: string): Answer {
  return { status, body: { status, detail } }
}

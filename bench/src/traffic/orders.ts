import { randomBytes } from 'node:crypto'

/** A revision of an order, ready to be sent. Its event's id is `<key>.<revision>`: targets need no more to check the order. */
export interface Order {
  readonly key: number
  readonly id: string
  readonly body: string
}

const recentKeys = 256

/**
 * The orders of one source: half of them revise one of the keys that were accepted lately, the others go round all keys.
 * A key has one event under way at a time, as a real source knows of no later revision either: so the order in which a
 * key's events are accepted is that of its revisions.
 */
export class Orders {
  readonly #keys: number
  readonly #revisions: Uint32Array
  readonly #underWay: Uint8Array
  readonly #recent: number[] = []
  readonly #filler: string
  readonly #noteLength: number
  #state = 0x9e3779b9
  #round = 0
  #replaced = 0

  constructor({ keys, payloadBytes }: { readonly keys: number; readonly payloadBytes: number }) {
    this.#keys = keys
    this.#revisions = new Uint32Array(keys)
    this.#underWay = new Uint8Array(keys)
    this.#noteLength = Math.max(1, payloadBytes - 150) // the rest of the event
    this.#filler = randomBytes(this.#noteLength + 1_024).toString('base64') // nothing that a database would compress
  }

  /** The next one; its key is under way until it is accepted. */
  next(): Order {
    const key = (this.#random() & 1) === 0 ? (this.#recentKey() ?? this.#freshKey()) : this.#freshKey()
    this.#underWay[key] = 1
    const revision = (this.#revisions[key] = (this.#revisions[key] ?? 0) + 1)
    const id = `${key}.${revision}`
    const from = this.#random() % 1_024
    const note = this.#filler.slice(from, from + this.#noteLength)
    const data = `{"number":"SO-${key}","revision":${revision},"customer":"C-${key % 500}","note":"${note}"}`
    return {
      key,
      id,
      body: `{"specversion":"1.0","id":"${id}","source":"urn:bench","type":"bench.order.placed","data":${data}}`,
    }
  }

  accepted({ key }: Order): void {
    this.#underWay[key] = 0
    this.#recent[this.#replaced++ % recentKeys] = key
  }

  #recentKey(): number | undefined {
    for (let trial = 0; trial < 4 && this.#recent.length > 0; trial++) {
      const key = this.#recent[this.#random() % this.#recent.length]
      if (key !== undefined && this.#underWay[key] === 0) return key
    }
    return undefined
  }

  #freshKey(): number {
    for (let trial = 0; trial < this.#keys; trial++) {
      const key = this.#round++ % this.#keys
      if (this.#underWay[key] === 0) return key
    }
    throw new Error(`all ${this.#keys} keys are under way: there are more connections than keys`)
  }

  /** Marsaglia's xorshift: the same sequence in every run. */
  #random(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }
}

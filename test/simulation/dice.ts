/** Seeded randomness: the same seed gives the same throws, on every machine. */
export class Dice {
  readonly #seed: string
  #state: number

  constructor(seed: string) {
    this.#seed = seed
    this.#state = fnv1a(seed)
  }

  /** A number in [0, 1). Mulberry32. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** One of these, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T
  }

  /** A key of the table, by weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    let left = this.next() * Object.values<number>(weights).reduce((sum, weight) => sum + weight, 0)
    const kinds = Object.keys(weights) as K[]
    return kinds.find((kind) => (left -= weights[kind]) < 0) ?? (kinds[0] as K)
  }

  /** Dice of its own for one part of the world, so that its throws do not change those of the others. */
  fork(label: string): Dice {
    return new Dice(`${this.#seed}/${label}`)
  }
}

function fnv1a(text: string): number {
  let sum = 0x811c9dc5
  for (let index = 0; index < text.length; index++) sum = Math.imul(sum ^ text.charCodeAt(index), 0x01000193)
  return sum ^ (sum >>> 13)
}

/**
 * A number in [0, 1) that follows from the seed and the words alone: who asks first, or how often, changes nothing.
 * So the same order meets the same luck in every run with the same seed.
 */
export function chance(seed: number, ...words: readonly (string | number)[]): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (const char of words.join('\u001f')) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  return mixed(hash) / 0x1_0000_0000
}

/** A whole number from `from` to `to`, both included, by `chance`. */
export function between(range: readonly [from: number, to: number], luck: number): number {
  const [from, to] = range
  return from + Math.floor(luck * (to - from + 1))
}

/** The finalizer of MurmurHash3: FNV alone leaves words that differ in their last letter close together. */
function mixed(hash: number): number {
  let mix = hash
  mix = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}

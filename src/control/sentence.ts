import type { Part, Sentence } from './schema/common.ts'

/** Plain words. */
export function text(words: string): Part {
  return { kind: 'text', text: words }
}

/** A moment; left out where there is none. */
export function time(at: string): Part {
  return { kind: 'time', at }
}

/** A thing that can be opened; shown by its id unless `words` says otherwise. */
export function link(to: (Part & { kind: 'link' })['to'], id: string, words = id): Part {
  return { kind: 'link', to, id, text: words }
}

/** How a run is written in links, on the command line and in the audit trail: `book-order/1042`, or with its generation. */
export function runId(run: {
  readonly flow: string
  readonly seq: number
  readonly generation: number
}): string {
  return run.generation === 0 ? `${run.flow}/${run.seq}` : `${run.flow}/${run.seq}/${run.generation}`
}

/**
 * A sentence from words and things.
 *
 * @example say`waits behind ${link('run', 'book-order/7')}, which tries again ${time(at)}`
 */
export function say(
  words: TemplateStringsArray,
  ...things: readonly (Part | Sentence | string | number)[]
): Sentence {
  const parts: Part[] = []
  for (const [index, word] of words.entries()) {
    append(parts, word)
    const thing = things[index]
    if (thing === undefined) continue
    if (typeof thing === 'object') parts.push(...(Array.isArray(thing) ? thing : [thing]))
    else append(parts, String(thing))
  }
  return parts
}

/** Neighbouring words become one part. */
function append(parts: Part[], words: string): void {
  const last = parts.at(-1)
  if (words === '') return
  if (last?.kind === 'text') parts[parts.length - 1] = text(last.text + words)
  else parts.push(text(words))
}

/** The words as a sentence begins. */
export function capital(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

/** Several, each with its full stop. */
export function sentences(each: readonly Sentence[]): Sentence {
  return each.flatMap((one, index) => [...one, text(index < each.length - 1 ? '. ' : '.')])
}

/** The sentence as plain text; `clock` writes its moments. */
export function plain(sentence: Sentence, clock: (at: string) => string): string {
  return sentence.map((part) => (part.kind === 'time' ? clock(part.at) : part.text)).join('')
}

/** `1 order`, `12,345 orders`, `no orders`; `atMost` marks a count that stopped there. */
export function count(number: number, noun: string, atMost = Number.POSITIVE_INFINITY): string {
  const words = number === 1 ? noun : `${noun}s`
  if (number === 0) return `no ${words}`
  return number > atMost
    ? `more than ${atMost.toLocaleString('en')} ${words}`
    : `${number.toLocaleString('en')} ${words}`
}

/** A length of time: `3 s`, `4 min`, `2 h`, `3 d`. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 100) return `${seconds} s`
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

import type { WriteStream } from 'node:tty'

/** How far a run is. */
export interface Progress {
  readonly done: number
  readonly total: number
  /** What is counted, such as `orders`. */
  readonly what: string
}

const barWidth = 24
const count = new Intl.NumberFormat('en')

/**
 * What people see while the demo runs: on a terminal one line that moves, elsewhere a line at every quarter. Lines of
 * text stand above the moving one.
 */
export class Screen {
  readonly #out: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>
  #moving = ''
  #quarter = 0

  constructor(out: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>) {
    this.#out = out
  }

  /** One or more lines that stay. */
  say(text = ''): void {
    this.#clear()
    this.#out.write(`${text}\n`)
    this.#draw()
  }

  /** The moving line. */
  progress(progress: Progress): void {
    const line = lineOf(progress)
    if (this.#out.isTTY) {
      this.#clear()
      this.#moving = line.slice(0, (this.#out.columns || 80) - 1) // some terminals do not say how wide they are
      return this.#draw()
    }
    const quarter = Math.floor((progress.done / progress.total) * 4)
    if (quarter <= this.#quarter) return
    this.#quarter = quarter
    this.say(line)
  }

  /** Takes the moving line away, before something else begins. */
  finish(): void {
    this.#clear()
    this.#moving = ''
    this.#quarter = 0
  }

  #clear(): void {
    if (this.#moving) this.#out.write('\r\u001b[K')
  }

  #draw(): void {
    if (this.#moving) this.#out.write(this.#moving)
  }
}

function lineOf({ done, total, what }: Progress): string {
  const filled = Math.round((done / total) * barWidth)
  const bar = `${'━'.repeat(filled)}${'╌'.repeat(barWidth - filled)}`
  return `  ${bar}  ${count.format(done)} of ${count.format(total)} ${what}`
}

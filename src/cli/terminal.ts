/** What the commands need of the terminal; injected, so that they can be tested without one. */
export interface Terminal {
  /** A line on stdout. */
  out(line: string): void
  /** A line on stderr. */
  err(line: string): void
  /** Whether stdout is a terminal whose user wants colour. */
  readonly colour: boolean
  /** Asks a question and answers what the user typed; absent where nobody can be asked. */
  readonly ask?: (question: string) => Promise<string>
  /** Shows how far something has come, in one line of stderr that is written over and over; absent where that is a file or a pipe. */
  readonly progress?: (line: string) => void
  /** Columns of the terminal; Infinity when it is none, so that nothing is cut in files and pipes. */
  readonly width: number
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question)
  } finally {
    lines.close()
  }
}

/** The process's own terminal. Honours NO_COLOR (https://no-color.org) and FORCE_COLOR. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process
  const wanted = env['FORCE_COLOR'] !== undefined || stdout.isTTY
  return {
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
    colour: wanted && !env['NO_COLOR'],
    ...(process.stdin.isTTY && stderr.isTTY && { ask }),
    ...(stderr.isTTY && {
      progress: (line) => void stderr.write(`\r\u001b[K${line.slice(0, Math.max(1, stderr.columns - 1))}`),
    }),
    width: stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY,
  }
}

const codes = { red: 31, green: 32, yellow: 33, blue: 34, dim: 2, bold: 1 } as const
export type Style = keyof typeof codes

/** The text in this style, where the terminal shows styles. */
export function styled({ colour }: Pick<Terminal, 'colour'>, style: Style, text: string): string {
  return colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text
}

/** Text from elsewhere (ids, keys, vendors' messages) with what could move the cursor or forge lines made visible. */
export function safe(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) =>
    character === '\t' ? ' ' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

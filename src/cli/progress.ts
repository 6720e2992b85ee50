import type { Context } from './context.ts'

const pollMs = 500
const barWidth = 24

/** What goes on in stages until it is through, paused, stopped or cancelled. */
interface Staged {
  readonly state: string
  readonly stage: number
}

/**
 * Shows how something goes on for as long as it is running, asked for again and again, and answers how it was last. Ctrl-C
 * leaves the view, not what goes on. Where lines cannot be written over, each stage has one.
 */
export async function follow<T extends Staged>(
  { terminal }: Pick<Context, 'terminal'>,
  { ask, line }: { readonly ask: () => Promise<T>; readonly line: (now: T) => string },
): Promise<T> {
  const left = Promise.withResolvers<'left'>()
  const leave = () => left.resolve('left')
  process.once('SIGINT', leave)
  let now = await ask()
  let stage = 0
  try {
    while (now.state === 'running') {
      if (terminal.progress) terminal.progress(line(now))
      else if (now.stage !== stage) terminal.err(`${line(now)} …`)
      stage = now.stage
      if ((await Promise.race([left.promise, pause()])) === 'left') break
      now = await ask()
    }
  } finally {
    process.removeListener('SIGINT', leave)
    if (terminal.progress) terminal.err('')
  }
  return now
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pollMs))
}

/** Without the page of items that its detail comes with. */
export function withoutItems<T extends object>(detail: T): T {
  const { items: _items, next: _next, ...rest } = detail as T & { items?: unknown; next?: unknown }
  return rest as T
}

/** `[██████······]` */
export function bar(through: number, total: number): string {
  const full = Math.round((barWidth * through) / Math.max(1, total))
  return `[${'█'.repeat(full)}${'·'.repeat(barWidth - full)}]`
}

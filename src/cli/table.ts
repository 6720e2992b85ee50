import type { Style, Terminal } from './terminal.ts'
import { safe, styled } from './terminal.ts'

/** A cell: text, and how it is shown. */
export interface Cell {
  readonly text: string
  readonly style?: Style
}

/** A column: its title, and whether its cells stand at the right, as numbers do. */
export interface Column {
  readonly title: string
  readonly right?: boolean
  /** Cut first when the terminal is too narrow. */
  readonly shrinks?: boolean
}

const gap = 2
const narrowest = 8

/** Rows under their titles, aligned, cut to the terminal's width; never a line break inside. */
export function table(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)))
  const widths = widthsOf(terminal, columns, cells)
  const line = (row: readonly Cell[]) =>
    row
      .map((cell, index) => {
        const column = columns[index]
        const text = cut(safe(cell.text), widths[index] ?? 0)
        const padded = column?.right ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0)
        return cell.style ? padded.replace(text, () => styled(terminal, cell.style as Style, text)) : padded
      })
      .join(' '.repeat(gap))
      .trimEnd()
  const titles = columns.map(({ title }): Cell => ({ text: title, style: 'dim' }))
  return [titles, ...cells].map(line).join('\n')
}

function widthsOf(
  { width }: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => safe(row[index]?.text ?? '').length)),
  )
  const total = () => widths.reduce((sum, each) => sum + each, gap * (widths.length - 1))
  for (const shrinks of [true, false])
    for (const [index, column] of columns.entries()) {
      const over = total() - width
      if (over > 0 && (column.shrinks ?? false) === shrinks)
        widths[index] = Math.max(narrowest, (widths[index] ?? 0) - over)
    }
  return widths
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** Pairs of words and values, one a line. */
export function facts(
  terminal: Terminal,
  pairs: readonly (readonly [string, string | Cell | null])[],
): string {
  const shown = pairs.filter((pair): pair is readonly [string, string | Cell] => pair[1] !== null)
  const width = Math.max(...shown.map(([word]) => word.length))
  return shown
    .map(([word, value]) => {
      const cell = typeof value === 'string' ? { text: value } : value
      const text = safe(cell.text)
      return `${styled(terminal, 'dim', word.padEnd(width))}  ${cell.style ? styled(terminal, cell.style, text) : text}`
    })
    .join('\n')
}

/** A list, and whether there is more of it than was asked for. */
export function withMore(terminal: Terminal, page: { readonly next: string | null }, shown: string): string {
  if (page.next === null) return shown
  return `${shown}\n${styled(terminal, 'dim', 'there are more: raise --limit or narrow the filter')}`
}

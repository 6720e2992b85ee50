import type { System } from '../contestants/contestant.ts'
import { figure } from './markdown.ts'
import type { Summary } from './results.ts'

/** Bars of one figure, the highest first; readable on light and on dark, on a ground of its own. */
export function picture(
  all: readonly Summary[],
  { title, note, systems }: { title: string; note: string; systems: ReadonlyMap<string, System> },
): string {
  const bars = all
    .map(({ system, figures }) => ({
      label: systems.get(system)?.title ?? system,
      value: figures['eventsPerSecond'] ?? 0,
      kind: kindOf(system),
    }))
    .toSorted((one, other) => other.value - one.value)
  const size = { width: 800, left: 285, right: 70, top: 58, row: 30 }
  const height = size.top + bars.length * size.row + 40
  const most = Math.max(1, ...bars.map(({ value }) => value))
  const rows = bars.map(({ label, value, kind }, index) => {
    const y = size.top + index * size.row
    const length = Math.max(2, (value / most) * (size.width - size.left - size.right))
    return [
      `<text class="label" x="${size.left - 10}" y="${y + 15}" text-anchor="end">${escaped(label)}</text>`,
      `<rect class="${kind}" x="${size.left}" y="${y}" width="${length.toFixed(1)}" height="20" rx="3"/>`,
      `<text class="value" x="${(size.left + length + 8).toFixed(1)}" y="${y + 15}">${figure(value, 0)}</text>`,
    ].join('')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" width="${size.width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}</style>`,
    `<rect class="ground" x="0.5" y="0.5" width="${size.width - 1}" height="${height - 1}" rx="8"/>`,
    `<text class="title" x="24" y="34">${escaped(title)}</text>`,
    ...rows,
    `<text class="note" x="24" y="${height - 16}">${escaped(note)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function kindOf(system: string): string {
  if (system.startsWith('busbar')) return 'own'
  return system.startsWith('reference') || system === 'direct' ? 'bare' : 'peer'
}

const style = `
text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:13px}
.ground{fill:#fff;stroke:#d5d9df}.title{font-size:16px;font-weight:600;fill:#16191d}
.label,.value{fill:#2d333b}.note{fill:#66707c;font-size:11.5px}
.own{fill:#0b6bcb}.peer{fill:#8b95a1}.bare{fill:none;stroke:#8b95a1;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){
.ground{fill:#14171b;stroke:#343b44}.title{fill:#f2f4f7}.label,.value{fill:#d0d6de}.note{fill:#929ca8}
.own{fill:#58a6ff}.peer{fill:#6c7683}.bare{stroke:#6c7683}}`

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

import { compared } from '../../parts/difference.tsx'

interface Side {
  readonly number: number | undefined
  readonly kind: 'same' | 'del' | 'add'
  readonly text: string
}

/** Lines around a change that are shown with it. */
const context = 4

/** Two texts side by side, line by line; of what is the same only what stands around a change. Phones show them below each other. */
export function Pair({
  before,
  after,
  heads,
}: {
  readonly before: string
  readonly after: string
  readonly heads: readonly [React.ReactNode, React.ReactNode]
}) {
  const { left, right } = sides(before, after)
  return (
    <div className="pair">
      {[left, right].map((lines, index) => (
        <div key={index}>
          <h3>{heads[index]}</h3>
          <pre className="code" tabIndex={0} aria-label={index === 0 ? 'As it was' : 'As it will be'}>
            {lines.map(({ number, kind, text }, line) => (
              <span key={line} className={kind === 'same' ? undefined : kind}>
                <span className="g">
                  {number ?? ''} {{ same: '', del: '−', add: '+' }[kind]}
                </span>
                {kind === 'same' ? text || ' ' : <mark>{text || ' '}</mark>}
              </span>
            ))}
          </pre>
        </div>
      ))}
    </div>
  )
}

/** How many lines differ, on the longer side. */
export function changesIn(before: string, after: string): number {
  const lines = compared(before.split('\n'), after.split('\n'))
  const amount = (kind: 'del' | 'add') => lines.filter((line) => line.kind === kind).length
  return Math.max(amount('del'), amount('add'))
}

function sides(before: string, after: string): { readonly left: Side[]; readonly right: Side[] } {
  const lines = compared(before.split('\n'), after.split('\n'))
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some(({ kind }) => kind !== 'same'),
  )
  const all = !near.includes(true) || lines.length <= 24
  const left: Side[] = []
  const right: Side[] = []
  let [old, fresh] = [0, 0]
  for (const [index, { kind, text }] of lines.entries()) {
    if (kind !== 'add') old++
    if (kind !== 'del') fresh++
    if (!all && !near[index]) continue
    if (kind !== 'add') left.push({ number: old, kind, text })
    if (kind !== 'del') right.push({ number: fresh, kind, text })
  }
  return { left, right }
}

import { written } from './payload.tsx'

type Line = { readonly kind: 'same' | 'del' | 'add'; readonly text: string }

/** Two values line by line: what is taken out, what comes in. */
export function Difference({ before, after }: { readonly before: unknown; readonly after: unknown }) {
  const lines = compared(written(before).split('\n'), written(after).split('\n'))
  const changed = lines.filter(({ kind }) => kind !== 'same').length
  return (
    <>
      <p className="sr">{changed === 0 ? 'Nothing differs.' : `${changed} lines differ.`}</p>
      <pre className="code" tabIndex={0}>
        {lines.map(({ kind, text }, index) => (
          <span key={index} className={kind === 'same' ? undefined : kind}>
            <span className="g">{{ same: ' ', del: '−', add: '+' }[kind]}</span>
            {text}
          </span>
        ))}
      </pre>
    </>
  )
}

const longest = 600

/** By the longest common subsequence; of very long values only the ends are compared, the rest stands as changed. */
export function compared(before: readonly string[], after: readonly string[]): Line[] {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let end = 0
  while (
    end < before.length - start &&
    end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end++
  const [olds, news] = [before.slice(start, before.length - end), after.slice(start, after.length - end)]
  const same = (texts: readonly string[]): Line[] => texts.map((text) => ({ kind: 'same', text }))
  return [...same(before.slice(0, start)), ...middle(olds, news), ...same(before.slice(before.length - end))]
}

function middle(olds: readonly string[], news: readonly string[]): Line[] {
  const all = (kind: 'del' | 'add', texts: readonly string[]): Line[] => texts.map((text) => ({ kind, text }))
  if (olds.length > longest || news.length > longest) return [...all('del', olds), ...all('add', news)]
  const lengths = Array.from({ length: olds.length + 1 }, () => new Array<number>(news.length + 1).fill(0))
  for (let i = olds.length - 1; i >= 0; i--)
    for (let j = news.length - 1; j >= 0; j--)
      lengths[i]![j] =
        olds[i] === news[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
  const lines: Line[] = []
  let [i, j] = [0, 0]
  while (i < olds.length && j < news.length) {
    if (olds[i] === news[j]) {
      lines.push({ kind: 'same', text: olds[i]! })
      i++
      j++
    } else if (lengths[i + 1]![j]! >= lengths[i]![j + 1]!) lines.push({ kind: 'del', text: olds[i++]! })
    else lines.push({ kind: 'add', text: news[j++]! })
  }
  return [...lines, ...all('del', olds.slice(i)), ...all('add', news.slice(j))]
}

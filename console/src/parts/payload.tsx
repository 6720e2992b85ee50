import { Fragment } from 'react'

/**
 * What another program sent or answered, always as text: JSON with its structure, everything else as it came. Numbers keep
 * their digits. Lines whose path is in `hit` stand out.
 */
export function Payload({ value, hit = [] }: { readonly value: unknown; readonly hit?: readonly string[] }) {
  const lines = typeof value === 'string' ? value.split('\n') : written(value).split('\n')
  return (
    <pre className="code" tabIndex={0}>
      {lines.map((line, index) => (
        <span key={index} className={hit.some((each) => line.includes(each)) ? 'hit' : undefined}>
          {typeof value === 'string' ? line || ' ' : coloured(line)}
        </span>
      ))}
    </pre>
  )
}

/** JSON as it is shown. */
export function written(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? 'nothing'
}

const token = /("(?:\\.|[^"\\])*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)|([{}[\],])/g

function coloured(line: string) {
  const pieces: { readonly text: string; readonly kind?: string }[] = []
  let from = 0
  for (const found of line.matchAll(token)) {
    if (found.index > from) pieces.push({ text: line.slice(from, found.index) })
    const [whole, text, colon, plain] = found
    pieces.push({ text: whole, kind: text ? (colon ? 'k' : 's') : plain ? 'v' : 'p' })
    from = found.index + whole.length
  }
  pieces.push({ text: line.slice(from) })
  return pieces.map(({ text, kind }, index) =>
    kind ? (
      <span key={index} className={kind}>
        {text}
      </span>
    ) : (
      <Fragment key={index}>{text}</Fragment>
    ),
  )
}

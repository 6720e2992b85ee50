import type { ReactNode } from 'react'
import type { SignName } from './sign.tsx'
import { Sign } from './sign.tsx'
import type { Tone } from './state.tsx'

interface EmptyProps {
  readonly title: string
  /** What this place is, and why it is empty. */
  readonly children?: ReactNode
  /** One button to go on. */
  readonly act?: ReactNode
  readonly sign?: SignName
  readonly tone?: Tone
}

/** A place with nothing in it: says what it is, why it is empty, and how to go on. */
export function Empty({ title, children, act, sign = 'pending', tone = 'rest' }: EmptyProps) {
  return (
    <div className="empty">
      <span className="tone" data-tone={tone}>
        <Sign name={sign} />
      </span>
      <h3>{title}</h3>
      {children && <p>{children}</p>}
      {act && <div className="row">{act}</div>}
    </div>
  )
}

import type { ReactNode } from 'react'

interface CardProps {
  readonly title: ReactNode
  /** Right in its head. */
  readonly aside?: ReactNode
  /** Its columns of twelve: `c4`, `c8` … */
  readonly className?: string
  /** Without the padding: for tables and lists. */
  readonly flush?: boolean
  readonly footer?: ReactNode
  readonly children: ReactNode
}

/** One question and its answer. */
export function Card({ title, aside, className = '', flush = false, footer, children }: CardProps) {
  return (
    <section className={`card ${className}`}>
      <header>
        <h2>{title}</h2>
        {aside && <span>{aside}</span>}
      </header>
      {flush ? children : <div className="body">{children}</div>}
      {footer && <footer>{footer}</footer>}
    </section>
  )
}

/** Names and values. */
export function Facts({ of }: { readonly of: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name} className="contents">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

import type { ReactNode } from 'react'
import { takeBack } from '../../back.ts'
import { useTitle } from '../../parts/page.tsx'
import { Sign } from '../../parts/sign.tsx'
import { Mark } from '../../shell/brand.tsx'
import './door.css'

/** The frame of the pages that are there before one has come in. */
export function Door({
  title,
  children,
  foot,
}: {
  readonly title: string
  readonly children: ReactNode
  readonly foot?: ReactNode
}) {
  useTitle(title)
  return (
    <main className="door" id="main">
      <div className="brand">
        <Mark />
        busbar
      </div>
      <section className="card">
        <div className="body stack">
          <h1>{title}</h1>
          {children}
        </div>
      </section>
      {foot && <footer>{foot}</footer>}
    </main>
  )
}

/** What is wrong, above the form. */
export function Refusal({ children }: { readonly children: ReactNode }) {
  return (
    <p className="note" data-tone="park" role="alert">
      <Sign name="park" />
      <span>{children}</span>
    </p>
  )
}

/** A field with its name. */
export function Field(props: {
  readonly name: string
  readonly type?: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly autoComplete: string
  readonly hint?: string
  readonly focus?: boolean
}) {
  const { name, hint, value, onChange, focus = false, ...rest } = props
  return (
    <label className="field">
      <span>{name}</span>
      <input
        className="input"
        required
        autoFocus={focus}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        {...rest}
      />
      {hint && <small>{hint}</small>}
    </label>
  )
}

/** Into the console, to where one wanted to go; a full load, so that nothing of before is left. */
export function enter(): void {
  location.replace(takeBack() ?? '/')
}

import { Link } from '@tanstack/react-router'
import type { ComponentProps, ReactNode } from 'react'
import type { Need } from '../may.ts'
import { useMayNot } from '../me.ts'

/** A button that acts, or opens the dialog of an act: disabled, with the reason, for those who may not. */
export function ActButton({
  needs,
  touches,
  disabled,
  title,
  ...button
}: Omit<ComponentProps<'button'>, 'type'> & Need) {
  const why = useMayNot({ needs, touches })
  return <button type="button" {...button} disabled={disabled || why !== undefined} title={why ?? title} />
}

/** A link to the dialog of an act; a disabled button for those who may not. */
export function ActLink({
  needs,
  touches,
  className,
  to,
  search,
  children,
}: Need & {
  readonly className: string
  readonly to: string
  readonly search: Readonly<Record<string, string>>
  readonly children: ReactNode
}) {
  const why = useMayNot({ needs, touches })
  return why === undefined ? (
    <Link className={className} to={to} search={search}>
      {children}
    </Link>
  ) : (
    <button type="button" className={className} disabled title={why}>
      {children}
    </button>
  )
}

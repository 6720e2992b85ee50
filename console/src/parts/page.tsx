import { useNavigate, useSearch } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useEffect } from 'react'
import type { Need } from '../may.ts'
import { useMayNot } from '../me.ts'

interface PageHeadProps extends Need {
  readonly title: string
  /** Beside the title: one state. */
  readonly state?: ReactNode
  /** Place: links to what is above. */
  readonly crumbs?: ReactNode
  /** What is true now, in one or two lines. */
  readonly children?: ReactNode
  /** Right: at most one primary button. Disabled, with the reason, for those who may not. */
  readonly acts?: ReactNode
}

/** The head of a page: place, title with one state, verdict, acts. Also the title of the window. */
export function PageHead({ title, state, crumbs, children, acts, ...need }: PageHeadProps) {
  const mayNot = useMayNot(need)
  useTitle(title)
  return (
    <>
      {crumbs && (
        <nav className="crumbs" aria-label="Place">
          {crumbs}
        </nav>
      )}
      <div className="page-head">
        <div>
          <div className="row wrap">
            <h1>{title}</h1>
            {state}
          </div>
          {children && <p>{children}</p>}
        </div>
        {acts && (
          <fieldset className="acts" disabled={mayNot !== undefined} title={mayNot}>
            {acts}
          </fieldset>
        )}
      </div>
    </>
  )
}

/** Names the window. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · busbar`
  }, [title])
}

/** A value in the page's address, and how to change it; `undefined` takes it out. Every view, filter and selection stands there. */
export function useSearchValue(
  name: string,
): readonly [value: string | undefined, change: (value: string | undefined, push?: boolean) => void] {
  const search: Readonly<Record<string, unknown>> = useSearch({ strict: false })
  const navigate = useNavigate()
  const found = search[name] as string | number | boolean | null | undefined
  const value = found === undefined || found === null ? undefined : `${found}`
  const change = (next: string | undefined, push = false) =>
    void navigate({
      to: '.',
      search: (before: Record<string, unknown>) => ({ ...before, [name]: next }),
      replace: !push,
    } as never)
  return [value, change]
}

/** A key as it is printed on the button that it presses. */
export function Key({ children }: { readonly children: ReactNode }) {
  return <kbd aria-hidden="true">{children}</kbd>
}

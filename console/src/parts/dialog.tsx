import { Dialog as Kit } from 'radix-ui'
import type { FormEvent, ReactNode } from 'react'

interface DialogProps {
  readonly open: boolean
  readonly onClose: () => void
  /** A question where it ends in an act: "Skip invoice for SO-10427?" */
  readonly title: string
  /** What will happen, and what will not. */
  readonly children: ReactNode
  /** The buttons, the harmless one first; a `type="submit"` one submits. */
  readonly footer?: ReactNode
  readonly onSubmit?: () => void
  readonly wide?: boolean
}

/**
 * A dialog over the page: focus stays inside, Esc closes it. Ctrl Enter submits. The kit's own overlay would write a style
 * element into the page, which the content security policy refuses; so the ground is plain.
 */
export function Dialog({ open, onClose, title, children, footer, onSubmit, wide = false }: DialogProps) {
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onSubmit?.()
  }
  return (
    <Kit.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Kit.Portal>
        <div className="overlay shown">
          <Kit.Content asChild aria-describedby={undefined}>
            <form
              className={wide ? 'dialog wide' : 'dialog'}
              onSubmit={submit}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event)
              }}
            >
              <header>
                <Kit.Title asChild>
                  <h2>{title}</h2>
                </Kit.Title>
              </header>
              <div className="body">{children}</div>
              {footer && <footer>{footer}</footer>}
            </form>
          </Kit.Content>
        </div>
      </Kit.Portal>
    </Kit.Root>
  )
}

import { useEffect, useSyncExternalStore } from 'react'
import { Link } from '@tanstack/react-router'
import { Sign } from './sign.tsx'
import type { Tone } from './state.tsx'

interface Toast {
  readonly id: number
  readonly tone: Tone
  readonly title: string
  readonly text?: string
  /** Where to look at it. */
  readonly open?: { readonly to: string; readonly words: string }
}

const shownMs = 8_000
let toasts: readonly Toast[] = []
let last = 0
const listeners = new Set<() => void>()

function change(next: readonly Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

/** Says what has been done, or was not. What failed stays until it is closed. */
export function toast(what: Omit<Toast, 'id'>): void {
  change([...toasts.slice(-3), { ...what, id: ++last }])
}

/** Where toasts appear; there is one. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    () => toasts,
  )
  return (
    <div className="toasts">
      {shown.map((each) => (
        <OneToast key={each.id} toast={each} />
      ))}
    </div>
  )
}

const signOf = {
  park: 'park',
  ok: 'ok',
  run: 'run',
  retry: 'retry',
  wait: 'wait',
  undo: 'undo',
  rest: 'ask',
} as const

function OneToast({ toast: { id, tone, title, text, open } }: { readonly toast: Toast }) {
  const close = () => change(toasts.filter((each) => each.id !== id))
  useEffect(() => {
    if (tone === 'park') return
    const timer = setTimeout(() => change(toasts.filter((each) => each.id !== id)), shownMs)
    return () => clearTimeout(timer)
  }, [id, tone])
  return (
    <div className="toast" data-tone={tone} role={tone === 'park' ? 'alert' : 'status'}>
      <Sign name={signOf[tone]} />
      <span>
        <b>{title}</b>
        {text !== undefined && <p>{text}</p>}
      </span>
      {open ? (
        <Link to={open.to} className="btn s" onClick={close}>
          {open.words}
        </Link>
      ) : (
        <button type="button" className="btn s ghost" onClick={close}>
          Close
        </button>
      )}
    </div>
  )
}

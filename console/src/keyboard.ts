import { useEffect, useRef } from 'react'

const fields = 'input, textarea, select, [contenteditable=true]'
const switchName = 'busbar-single-keys'

/** Whether single letters act; a person may switch them off in Settings. */
export function singleKeysOn(): boolean {
  return localStorage.getItem(switchName) !== 'off'
}

export function switchSingleKeys(on: boolean): void {
  localStorage.setItem(switchName, on ? 'on' : 'off')
}

type Handlers = Readonly<Record<string, (() => void) | undefined>>

/**
 * Keys while the component is there: `a`, `?`, `Enter`, `Escape`, sequences such as `g n`, and `mod+k` (Ctrl or Cmd). Single
 * keys and sequences sleep while a field has focus or a dialog is open above the page, and where they are switched off.
 */
export function useKeys(handlers: Handlers): void {
  const current = useRef(handlers)
  useEffect(() => {
    current.current = handlers
  })
  useEffect(() => {
    let before = ''
    let beforeAt = 0
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) return
      const isMod = event.ctrlKey || event.metaKey
      const name = isMod ? `mod+${event.key}` : event.key
      const target = event.target as HTMLElement
      if (
        !isMod &&
        (target.matches(fields) ||
          (document.querySelector('[role=dialog]')?.contains(target) === false &&
            document.querySelector('[role=dialog]')))
      )
        return
      if (!isMod && name.length === 1 && !singleKeysOn()) return
      const sequence = event.timeStamp - beforeAt < 1_000 ? `${before} ${name}` : ''
      const handler = current.current[sequence] ?? current.current[name]
      before = name
      beforeAt = event.timeStamp
      if (!handler) return
      if (name === 'Enter' && target.closest('a, button')) return // it has its own meaning there
      event.preventDefault()
      handler()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [])
}

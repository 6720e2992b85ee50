const root = document.documentElement
const listeners = new Set<() => void>()

/** Light becomes dark and back; the choice is kept on this machine. */
export function switchTheme(): void {
  const isDark = root.dataset['theme']
    ? root.dataset['theme'] === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset['theme'] = isDark ? 'light' : 'dark'
  localStorage.setItem('busbar-theme', root.dataset['theme'])
  for (const listener of listeners) listener()
}

/** Hears of each change of the theme, by the button or by the system: charts read their colours again. */
export function onThemeChange(listener: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  listeners.add(listener)
  system.addEventListener('change', listener)
  return () => {
    listeners.delete(listener)
    system.removeEventListener('change', listener)
  }
}

/** A token's value now, such as `colour('--park')`. */
export function colour(token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${token})`
  document.body.append(probe)
  const value = getComputedStyle(probe).color
  probe.remove()
  return value
}

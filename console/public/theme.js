// Before the first paint: light or dark as chosen here, otherwise as the system says. A file, since no inline script is allowed.
;(() => {
  const asked = new URLSearchParams(location.search).get('theme')
  let theme = asked
  try {
    theme ??= localStorage.getItem('busbar-theme')
  } catch {
    return // storage is switched off: the system's theme
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
})()

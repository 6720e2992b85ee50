const name = 'busbar-back'

/** Single sign-on leads over another site and back to Now: where one wanted to go stays in this tab meanwhile. */
export function keepBack(): void {
  const back = new URLSearchParams(location.search).get('back')
  if (back !== null) sessionStorage.setItem(name, back)
}

/** Where one wanted to go before one had to sign in, once; undefined: nowhere, or not within the console. */
export function takeBack(): string | undefined {
  const back = new URLSearchParams(location.search).get('back') ?? sessionStorage.getItem(name) ?? ''
  sessionStorage.removeItem(name)
  return /^\/(?![/\\])/.test(back) ? back : undefined
}

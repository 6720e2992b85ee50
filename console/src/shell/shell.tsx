import { Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useKeys } from '../keyboard.ts'
import { Toasts } from '../parts/toast.tsx'
import { KeysDialog } from './keys-dialog.tsx'
import { Palette } from './palette.tsx'
import { places } from './places.ts'
import { SideBar } from './side-bar.tsx'
import { TabBar } from './tab-bar.tsx'
import { TopBar } from './top-bar.tsx'

/** Before one has come in there is no frame. */
const doors = ['/sign-in', '/welcome']

/** The frame around every page. */
export function Shell() {
  const isDoor = useLocation({ select: ({ pathname }) => doors.includes(pathname) })
  return isDoor ? <Outlet /> : <Frame />
}

function Frame() {
  const [over, setOver] = useState<'palette' | 'keys' | undefined>()
  const navigate = useNavigate()
  const find = () => setOver('palette')
  const close = () => setOver(undefined)
  useKeys({
    'mod+k': find,
    '?': () => setOver('keys'),
    ...Object.fromEntries(
      places.flat().map(({ to, letter }) => [`g ${letter}`, () => void navigate({ to })]),
    ),
  })
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <div className="app">
        <SideBar />
        <TopBar onFind={find} onKeys={() => setOver('keys')} />
        <main id="main" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <TabBar onFind={find} />
      <Palette open={over === 'palette'} onClose={close} />
      <KeysDialog open={over === 'keys'} onClose={close} />
      <Toasts />
    </>
  )
}

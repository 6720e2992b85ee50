import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useMe } from '../../me.ts'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { Alerts } from './alerts.tsx'
import { Keyboard } from './keyboard.tsx'
import { Keys } from './keys.tsx'
import { Own } from './own.tsx'
import { Users } from './users.tsx'
import './settings.css'

interface Tab {
  readonly name: string
  readonly words: string
  /** Who has use for it. */
  readonly for: 'all' | 'people' | 'admin'
  readonly show: () => ReactNode
}

/** Another tab is another line here. */
const tabs: readonly Tab[] = [
  { name: 'users', words: 'Users', for: 'admin', show: () => <Users /> },
  { name: 'keys', words: 'API keys', for: 'admin', show: () => <Keys /> },
  { name: 'own', words: 'You', for: 'people', show: () => <Own /> },
  { name: 'alerts', words: 'Alerts', for: 'all', show: () => <Alerts /> },
  { name: 'keyboard', words: 'Keyboard', for: 'all', show: () => <Keyboard /> },
]

/** Who may come in, what programs may do, and how one likes it oneself. */
export function Page() {
  const me = useMe()
  const [chosen] = useSearchValue('tab')
  const mine = tabs.filter(
    (tab) =>
      tab.for === 'all' ||
      (tab.for === 'people' ? me?.kind === 'user' : (me?.scopes.includes('admin') ?? false)),
  )
  const shown = mine.find(({ name }) => name === chosen) ?? mine[0]
  return (
    <>
      <PageHead title="Settings">
        {me?.kind === 'local'
          ? 'Nobody is asked to sign in here. Users and keys count where busbar is started with "busbar start".'
          : 'Who may come in, what programs may do, and how you like it.'}
      </PageHead>
      <nav className="tabs" aria-label="Settings">
        {mine.map(({ name, words }) => (
          <Link
            key={name}
            to="/settings"
            search={{ tab: name }}
            aria-current={name === shown?.name ? 'page' : undefined}
          >
            {words}
          </Link>
        ))}
      </nav>
      {shown?.show()}
    </>
  )
}

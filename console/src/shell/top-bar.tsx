import { Keyboard, Moon, Search } from 'lucide-react'
import { useLive } from '../live.ts'
import { clock } from '../parts/time.tsx'
import { Mark } from './brand.tsx'
import { switchTheme } from './theme.ts'

interface TopBarProps {
  readonly onFind: () => void
  readonly onKeys: () => void
}

/** Search, whether changes arrive, the keys, the theme. */
export function TopBar({ onFind, onKeys }: TopBarProps) {
  return (
    <header className="top">
      <div className="brand phone-only">
        <Mark />
      </div>
      <button type="button" className="find" onClick={onFind}>
        <Search className="i" aria-hidden="true" />
        <span className="desk-only">Find an order, customer, invoice or any id</span>
        <span className="phone-only">Find any order or id</span>
        <kbd className="desk-only" aria-hidden="true">
          Ctrl K
        </kbd>
      </button>
      <div className="right">
        <Live />
        <button
          type="button"
          className="btn ghost icon s desk-only"
          onClick={onKeys}
          aria-label="Keyboard shortcuts"
        >
          <Keyboard className="i" aria-hidden="true" />
        </button>
        <button
          type="button"
          className="btn ghost icon s"
          onClick={switchTheme}
          aria-label="Switch between light and dark"
        >
          <Moon className="i" aria-hidden="true" />
        </button>
      </div>
    </header>
  )
}

const said = { live: 'Live', connecting: 'Connecting', off: 'Not live' } as const

function Live() {
  const { state, changedAt } = useLive()
  const title =
    state === 'live' ? 'Changes arrive by themselves' : 'What is shown may be old: busbar does not answer'
  return (
    <span className="live" data-live={state} title={title}>
      <i />
      {said[state]}
      <span className="desk-only faint">{clock(changedAt)}</span>
    </span>
  )
}

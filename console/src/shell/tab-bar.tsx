import { Link } from '@tanstack/react-router'
import { Activity, Menu, OctagonAlert, Search } from 'lucide-react'
import { useNeedsPerson } from './side-bar.tsx'

/** The bar at the bottom of a phone. */
export function TabBar({ onFind }: { readonly onFind: () => void }) {
  const needed = useNeedsPerson()
  const current = { 'aria-current': 'page' } as const
  return (
    <nav className="tabbar" aria-label="Main, phone">
      <Link to="/" activeOptions={{ exact: true, includeSearch: false }} activeProps={current}>
        <Activity className="i" aria-hidden="true" />
        Now
      </Link>
      <Link to="/problems" activeOptions={{ includeSearch: false }} activeProps={current}>
        <OctagonAlert className="i" aria-hidden="true" />
        Problems
        {needed > 0 && <span className="dot">{needed}</span>}
      </Link>
      <button type="button" onClick={onFind}>
        <Search className="i" aria-hidden="true" />
        Find
      </button>
      <Link to="/more" activeProps={current}>
        <Menu className="i" aria-hidden="true" />
        More
      </Link>
    </nav>
  )
}

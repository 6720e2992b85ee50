import { Link } from '@tanstack/react-router'
import { useAsk } from '../parts/ask.tsx'
import { Sign } from '../parts/sign.tsx'
import { Mark } from './brand.tsx'
import { places } from './places.ts'
import { Who } from './who.tsx'

/** How many problems need a person. */
export function useNeedsPerson(): number {
  const { data } = useAsk('problems', 'listProblems', { limit: 1 })
  return data?.counts.person ?? 0
}

export function SideBar() {
  const needed = useNeedsPerson()
  return (
    <nav className="side" aria-label="Main">
      <div className="brand">
        <Mark />
        busbar
      </div>
      {places.map((group, index) => (
        <div key={index} className="contents">
          {index > 0 && <hr />}
          {group.map(({ to, name, icon: Icon, letter }) => (
            <Link
              key={to}
              to={to}
              activeOptions={{ exact: to === '/', includeSearch: false }}
              activeProps={{ 'aria-current': 'page' }}
            >
              <Icon className="i" aria-hidden="true" />
              {name}
              {to === '/problems' && needed > 0 ? (
                <span className="count" title={`${needed} need a person`}>
                  <Sign name="park" />
                  {needed}
                </span>
              ) : (
                <span className="hint" aria-hidden="true">
                  G {letter.toUpperCase()}
                </span>
              )}
            </Link>
          ))}
        </div>
      ))}
      <div className="foot">
        <Who />
      </div>
    </nav>
  )
}

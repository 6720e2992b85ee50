import { Link } from '@tanstack/react-router'
import { PageHead } from '../../parts/page.tsx'
import { places } from '../../shell/places.ts'
import { Who } from '../../shell/who.tsx'

/** On a phone: the places that have no tab. */
export function Page() {
  return (
    <>
      <PageHead title="More" />
      <nav className="card acts-list" aria-label="More places">
        {places
          .flat()
          .filter(({ to }) => to !== '/' && to !== '/problems')
          .map(({ to, name, icon: Icon }) => (
            <Link key={to} to={to}>
              <Icon className="i" aria-hidden="true" />
              <b>{name}</b>
            </Link>
          ))}
      </nav>
      <p className="small dim">
        <Who />
      </p>
    </>
  )
}

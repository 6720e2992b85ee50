import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link } from '@tanstack/react-router'
import { Empty } from './parts/empty.tsx'
import { Shell } from './shell/shell.tsx'

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Broken })

/** Each page is a file of its own, loaded when it is first opened. Runs are written as they are elsewhere: `flow/seq`, flows may have slashes. */
const pages = {
  '/': () => import('./pages/now/index.tsx'),
  '/problems': () => import('./pages/problems/index.tsx'),
  '/problems/$fingerprint': () => import('./pages/problem/index.tsx'),
  '/bulk/$id': () => import('./pages/bulk/index.tsx'),
  '/objects': () => import('./pages/objects/index.tsx'),
  '/objects/$key': () => import('./pages/object/index.tsx'),
  '/runs/$': () => import('./pages/run/index.tsx'),
  '/map': () => import('./pages/map/index.tsx'),
  '/events': () => import('./pages/events/index.tsx'),
  '/systems': () => import('./pages/systems/index.tsx'),
  '/systems/$name': () => import('./pages/system/index.tsx'),
  '/replays': () => import('./pages/replays/index.tsx'),
  '/replays/$id': () => import('./pages/replay/index.tsx'),
  '/operations': () => import('./pages/operations/index.tsx'),
  '/audit': () => import('./pages/audit/index.tsx'),
  '/settings': () => import('./pages/settings/index.tsx'),
  '/docs': () => import('./pages/docs/index.tsx'),
  '/sign-in': () => import('./pages/sign-in/index.tsx'),
  '/welcome': () => import('./pages/welcome/index.tsx'),
  '/more': () => import('./pages/more/index.tsx'),
} as const

const children = Object.entries(pages).map(([path, load]) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load, 'Page') }),
)

export const router = createRouter({
  routeTree: root.addChildren(children),
  defaultPreload: 'intent',
  scrollRestoration: true,
})

function NotFound() {
  return (
    <Empty
      sign="ask"
      title="There is no such page"
      act={
        <Link to="/" className="btn primary">
          Go to Now
        </Link>
      }
    >
      The address may be of another version of busbar, or a letter is missing.
    </Empty>
  )
}

function Broken({ error }: { readonly error: unknown }) {
  return (
    <Empty
      sign="ask"
      tone="park"
      title="This page is broken"
      act={
        <button type="button" className="btn" onClick={() => location.reload()}>
          Load it again
        </button>
      }
    >
      busbar itself goes on working. What the browser says:{' '}
      {error instanceof Error ? error.message : String(error)}
    </Empty>
  )
}

import { lazy, Suspense } from 'react'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { Span } from './span.tsx'

const Graph = lazy(() => import('./graph.tsx'))

const spans: Readonly<Record<string, number>> = { live: 5, hour: 60, day: 1_440 }

/** Where what comes from and goes, what does not pass, where is much and where is nothing. */
export function Page() {
  const [span = 'live'] = useSearchValue('span')
  const [flow] = useSearchValue('flow')
  const minutes = spans[span] ?? 5
  return (
    <>
      <PageHead title="Map" acts={<Span current={span} />}>
        Where events come from, what is done with them, which systems are called.
      </PageHead>
      <Asked query={useAsk('status', 'map', { minutes })}>
        {(map) =>
          map.flows.length === 0 ? (
            <Empty title="No flows yet">
              The map draws itself from what is deployed: sources, flows and the systems that they call.
            </Empty>
          ) : (
            <Suspense
              fallback={
                <p className="loading faint" role="status">
                  Loading …
                </p>
              }
            >
              <Graph map={map} chosen={flow} />
            </Suspense>
          )
        }
      </Asked>
    </>
  )
}

import { Asked, useAsk } from '../../parts/ask.tsx'
import { useTitle } from '../../parts/page.tsx'
import { Bus } from './bus.tsx'
import { FailedAttempts, Throughput } from './charts.tsx'
import { Lately } from './lately.tsx'
import { Problems } from './problems.tsx'
import { Sentences } from './sentences.tsx'
import { UnderWay } from './under-way.tsx'

/** What is wrong and since when, what to do, whether the rest flows, what is under way, who did what. */
export function Page() {
  useTitle('Now')
  return (
    <>
      <h1 className="sr">Now</h1>
      <Asked query={useAsk('status', 'now', { hours: 4 })}>
        {(now) => (
          <>
            <Sentences of={now.sentences} />
            <Bus now={now} />
            <div className="cols">
              <div className="stack c5">
                <Problems now={now} />
                <UnderWay acts={now.underWay} />
                <Lately acts={now.lately} />
              </div>
              <div className="stack c7">
                <Throughput charts={now.charts} />
                <FailedAttempts charts={now.charts} systems={now.systems} />
              </div>
            </div>
          </>
        )}
      </Asked>
    </>
  )
}

import { Link } from '@tanstack/react-router'
import { FlaskConical, Pause, Play } from 'lucide-react'
import { useState } from 'react'
import { useMayNot } from '../../me.ts'
import { useAsk } from '../../parts/ask.tsx'
import { count } from '../../parts/measure.tsx'
import { Key, PageHead, useSearchValue } from '../../parts/page.tsx'
import { useActs } from '../../shell/acts.ts'
import { Accepted } from './accepted.tsx'
import { PublishTest } from './publish-test.tsx'
import { RefusedList } from './refused.tsx'
import './events.css'

/** What came in and what became of it, and what was refused. */
export function Page() {
  const [tab] = useSearchValue('tab')
  const [trying, setTrying] = useSearchValue('try')
  const [held, setHeld] = useState(false)
  const catalog = useAsk('catalog', 'readCatalog')
  const refused = useAsk('events', 'listRefused', { limit: 1 })
  const isRefused = tab === 'refused'
  const types = catalog.data?.items ?? []
  // Until the catalog is there, it may be asked for: the form opens as soon as its types are known.
  const hasNothing = catalog.data?.items.length === 0
  const begin = () => setTrying(types[0]?.type ?? '', true)
  const mayPublish = useMayNot({}) === undefined
  useActs([
    !hasNothing && { name: 'Publish a test event…', key: 'n', icon: FlaskConical, run: begin },
    !isRefused && {
      needs: 'read',
      name: held ? 'Go on with the list' : 'Hold the list',
      key: 'p',
      icon: held ? Play : Pause,
      run: () => setHeld(!held),
    },
  ])
  const perHour = types.reduce((sum, each) => sum + (each.perHour ?? 0), 0)
  return (
    <>
      <PageHead
        title="Events"
        acts={
          <button type="button" className="btn" disabled={hasNothing} onClick={begin}>
            <FlaskConical className="i" aria-hidden="true" />
            Publish test event… <Key>N</Key>
          </button>
        }
      >
        Every business fact that busbar accepted, newest first, with what each flow made of it.
      </PageHead>
      <nav className="tabs" aria-label="Intake">
        <Link to="/events" aria-current={isRefused ? undefined : 'true'} data-status={undefined}>
          Accepted{' '}
          <span className="n">{perHour > 0 ? `${count(Math.round(perHour))} an hour` : 'none lately'}</span>
        </Link>
        <Link to="/events" search={{ tab: 'refused' }} aria-current={isRefused ? 'true' : undefined}>
          Refused{' '}
          <span className="n">
            {refused.data
              ? refused.data.lastDay === 0
                ? 'none today'
                : `${count(refused.data.lastDay)} in 24 h`
              : ''}
          </span>
        </Link>
      </nav>
      {isRefused ? <RefusedList /> : <Accepted types={types} held={held} onHold={setHeld} />}
      {trying !== undefined && types.length > 0 && mayPublish && (
        <PublishTest types={types} type={trying} onType={setTrying} onClose={() => setTrying(undefined)} />
      )}
    </>
  )
}

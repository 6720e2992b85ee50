import { Link, useParams } from '@tanstack/react-router'
import { Pause, Play, Plug } from 'lucide-react'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { Asked, useAsk } from '../../parts/ask.tsx'
import { Card } from '../../parts/card.tsx'
import { Key, PageHead } from '../../parts/page.tsx'
import { State } from '../../parts/state.tsx'
import { useResume, useTestCall } from '../../parts/system-acts.ts'
import { nameOf } from '../../parts/system-words.ts'
import { Words } from '../../parts/words.tsx'
import { useActs } from '../../shell/acts.ts'
import { Day, Latency } from './history.tsx'
import { Maintenance } from './maintenance.tsx'
import { PauseDialog } from './pause-dialog.tsx'
import { Credentials, Figures, Rules, Uses } from './rules.tsx'
import { Changes, Tests } from './tries.tsx'

type Detail = Answer<'getSystem'>

/** One system: is it connected, how did it answer, which rules are in force, and what may be done. */
export function Page() {
  const name = useParams({ strict: false, select: (params: { name?: string }) => params.name ?? '' })
  return (
    <Asked query={useAsk('systems', 'getSystem', { name })}>{(system) => <System system={system} />}</Asked>
  )
}

function System({ system }: { readonly system: Detail }) {
  const { name, standing, why } = system
  const history = useAsk('systems', 'systemHistory', { name, hours: 24 })
  return (
    <>
      <PageHead
        title={nameOf(system)}
        state={<State kind="system" of={standing} pill />}
        crumbs={<Link to="/systems">Systems</Link>}
        touches={[name]}
        acts={<Acts system={system} />}
      >
        <Words parts={why} />.
      </PageHead>
      <div className="cols">
        <div className="stack c8">
          <Figures system={system} />
          <Card title="The last 24 hours">
            <Asked query={history}>
              {(answer) => (
                <div className="stack">
                  <Day history={answer} system={system} />
                  <Latency history={answer} />
                </div>
              )}
            </Asked>
          </Card>
          <Tests system={system} />
          <Asked query={history}>{({ changes }) => <Changes changes={changes} />}</Asked>
        </div>
        <aside className="stack c4">
          <Rules system={system} />
          <Credentials system={system} />
          <Maintenance system={system} />
          <Uses system={system} />
        </aside>
      </div>
    </>
  )
}

function Acts({ system }: { readonly system: Detail }) {
  const { name, paused } = system
  const [asks, ask] = useState(false)
  const test = useTestCall()
  const resume = useResume()
  const change = () => (paused ? resume({ to: 'system', id: name }) : ask(true))
  const call = () => test.mutate({ name })
  const title = nameOf(system)
  const touches = [name]
  useActs([
    !test.isPending && { name: `Test the connection to ${title}`, key: 't', icon: Plug, touches, run: call },
    paused
      ? { name: `Resume ${title}`, key: 'p', icon: Play, touches, run: change }
      : { name: `Pause ${title}…`, key: 'p', icon: Pause, touches, run: change },
  ])
  return (
    <>
      <button type="button" className="btn" onClick={change}>
        {paused ? <Play className="i" aria-hidden="true" /> : <Pause className="i" aria-hidden="true" />}
        {paused ? `Resume ${title}` : `Pause ${title}…`}
        <Key>P</Key>
      </button>
      <button type="button" className="btn primary" onClick={call} disabled={test.isPending}>
        <Plug className="i" aria-hidden="true" />
        {test.isPending ? 'Calling …' : 'Test connection'}
        <Key>T</Key>
      </button>
      <PauseDialog system={system} open={asks} onClose={() => ask(false)} />
    </>
  )
}

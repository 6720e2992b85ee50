import { Link } from '@tanstack/react-router'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { Expectations } from './expectations.tsx'
import { Groups } from './groups.tsx'
import { Outbox } from './outbox.tsx'
import { Processes } from './processes.tsx'
import { Transport } from './transport.tsx'
import './operations.css'

const tabs = {
  groups: { name: 'Lane groups', Shown: Groups },
  processes: { name: 'Processes', Shown: Processes },
  expectations: { name: 'Expectations', Shown: Expectations },
  outbox: { name: 'Outbox', Shown: Outbox },
  transport: { name: 'Transport', Shown: Transport },
} as const
type TabName = keyof typeof tabs

/** What busbar itself is made of while it runs, one tab for each part. */
export function Page() {
  const [tab = 'groups'] = useSearchValue('tab')
  const shown = tab in tabs ? (tab as TabName) : 'groups'
  const { Shown } = tabs[shown]
  return (
    <>
      <PageHead title="Engine">
        Who runs what and how far it is; what must follow and has not come; what could not be taken in.
      </PageHead>
      <nav className="tabs" aria-label="Parts of the engine">
        {Object.entries(tabs).map(([name, { name: word }]) => (
          <Link
            key={name}
            to="/operations"
            search={{ tab: name }}
            aria-current={name === shown ? 'page' : undefined}
          >
            {word}
          </Link>
        ))}
      </nav>
      <Shown />
    </>
  )
}

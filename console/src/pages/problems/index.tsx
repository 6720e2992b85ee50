import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Answer } from '../../api.ts'
import { Asked, useAct, useAsk } from '../../parts/ask.tsx'
import { Empty } from '../../parts/empty.tsx'
import { counted } from '../../parts/measure.tsx'
import { PageHead, useSearchValue } from '../../parts/page.tsx'
import { mayRetry } from '../../parts/problem-state.tsx'
import { useRows } from '../../parts/rows.ts'
import { toast } from '../../parts/toast.tsx'
import { useActs } from '../../shell/acts.ts'
import { IgnoreDialog } from '../problem/ignore-dialog.tsx'
import { ProblemTable } from './problem-table.tsx'
import { Filters, Tabs } from './filters.tsx'
import { GroupingLinks, groupings, Groups } from './groups.tsx'
import './problems.css'

type ProblemPage = Answer<'listProblems'>
type Problem = ProblemPage['items'][number]

/** What each tab asks for. */
const asked = {
  person: { state: 'open', needs: 'person' },
  busbar: { state: 'open', needs: 'busbar' },
  acknowledged: { state: 'acknowledged' },
  ignored: { state: 'ignored' },
  resolved: { state: 'resolved' },
} as const
export type Tab = keyof typeof asked

export function Page() {
  const [given] = useSearchValue('tab')
  const [by] = useSearchValue('by')
  const [system] = useSearchValue('system')
  const [flow] = useSearchValue('flow')
  const [owner] = useSearchValue('owner')
  const [sort] = useSearchValue('sort')
  const [cursor, setCursor] = useSearchValue('cursor')
  const grouping = groupings.find((each) => each === by)
  const tab: Tab | 'open' = given !== undefined && given in asked ? (given as Tab) : 'open'
  const query = useAsk('problems', 'listProblems', {
    ...(tab === 'open' ? { state: 'unresolved' as const } : asked[tab]),
    ...(system !== undefined && { system }),
    ...(flow !== undefined && { flow }),
    ...(owner !== undefined && { owner }),
    ...(sort === 'since' && { sort }),
    ...(cursor !== undefined && { cursor }),
  })
  return (
    <>
      <PageHead title="Problems">
        Unfinished runs, grouped by their cause. {query.data && summary(query.data.counts)}
      </PageHead>
      <Tabs tab={tab} counts={query.data?.counts} />
      <div className="filters problem-filters">
        <GroupingLinks by={grouping} />
        {!grouping && <Filters />}
      </div>
      {grouping ? (
        <Groups by={grouping} />
      ) : (
        <Asked query={query}>
          {(page) =>
            page.items.length === 0 ? (
              <Nothing tab={tab} filtered={[system, flow, owner].some((each) => each !== undefined)} />
            ) : (
              <List
                page={sorted(page)}
                onPage={(next) => setCursor(next, true)}
                paged={cursor !== undefined}
              />
            )
          }
        </Asked>
      )}
    </>
  )
}

/** What needs a person comes first, within the page. */
function sorted(page: ProblemPage): ProblemPage {
  const first = ({ needs, state }: Problem) => (state === 'open' && needs === 'person' ? 0 : 1)
  return { ...page, items: page.items.toSorted((one, other) => first(one) - first(other)) }
}

function summary({ person, busbar }: ProblemPage['counts']): string {
  if (person + busbar === 0) return 'None is open.'
  const needs =
    person === 0 ? 'None needs a person' : `${most(person)} ${person === 1 ? 'needs' : 'need'} a person`
  const waits =
    busbar === 0
      ? 'none waits by itself'
      : `${most(busbar)} ${busbar === 1 ? 'waits by itself' : 'wait by themselves'}`
  return `${needs}, ${waits}.`
}

function most(count: number): string {
  return count >= 1_000 ? 'At least 1,000' : count.toLocaleString('en')
}

function List({
  page,
  onPage,
  paged,
}: {
  readonly page: ProblemPage
  readonly onPage: (cursor: string | undefined) => void
  readonly paged: boolean
}) {
  const navigate = useNavigate()
  const [ignoring, setIgnoring] = useState<Problem>()
  const change = useAct('changeProblem', {
    done: ({ title, owner }) =>
      toast({ tone: 'ok', title: 'Acknowledged', text: `${owner} looks after: ${title}` }),
  })
  const open = ({ fingerprint }: Problem, act?: 'retry') =>
    void navigate({
      to: `/problems/${encodeURIComponent(fingerprint)}`,
      search: act ? { act } : {},
    })
  const rows = useRows(page.items, { id: ({ fingerprint }) => fingerprint, open: (problem) => open(problem) })
  const { current } = rows
  const touches = current ? [current.system] : []
  useActs([
    current?.state === 'open' && {
      name: `Acknowledge ${current.title}`,
      key: 'a',
      touches,
      run: () => change.mutate({ fingerprint: current.fingerprint, state: 'acknowledged' }),
    },
    current &&
      mayRetry(current) && {
        name: `Retry ${counted(current.open, 'run')}…`,
        key: 'r',
        touches,
        run: () => open(current, 'retry'),
      },
    current &&
      current.state !== 'resolved' && {
        name: `Ignore ${current.title} until…`,
        key: 'i',
        touches,
        run: () => setIgnoring(current),
      },
  ])
  return (
    <>
      <ProblemTable items={page.items} isCurrent={rows.isCurrent} />
      {(paged || page.next !== null) && (
        <div className="row pager">
          {paged && (
            <button type="button" className="btn s" onClick={() => onPage(undefined)}>
              First page
            </button>
          )}
          {page.next !== null && (
            <button type="button" className="btn s" onClick={() => onPage(page.next ?? undefined)}>
              Next page
            </button>
          )}
        </div>
      )}
      {ignoring && <IgnoreDialog problem={ignoring} onClose={() => setIgnoring(undefined)} />}
    </>
  )
}

const empty: Readonly<Record<Tab | 'open', readonly [title: string, text: string]>> = {
  open: ['No problem is open', 'Runs that fail are gathered here by their cause, with what to do about it.'],
  person: [
    'Nothing needs a person',
    'What busbar cannot mend by itself comes here: mend the cause, then retry.',
  ],
  busbar: ['Nothing waits by itself', 'Causes that busbar goes on trying come here, with the next try.'],
  acknowledged: [
    'Nobody has taken a problem',
    'A problem that somebody looks after stands here: press A on one.',
  ],
  ignored: ['No problem is ignored', 'A problem can be ignored until a moment; then it is back by itself.'],
  resolved: ['No problem has ended yet', 'A problem ends by itself when the last of its runs has ended.'],
}

function Nothing({ tab, filtered }: { readonly tab: Tab | 'open'; readonly filtered: boolean }) {
  const [title, text] = empty[tab]
  const isWell = !filtered && (tab === 'open' || tab === 'person' || tab === 'busbar')
  return (
    <section className="card">
      <Empty title={filtered ? 'No problem is like that' : title} {...(isWell && { sign: 'ok', tone: 'ok' })}>
        {filtered ? 'Take a filter away to see more.' : text}
      </Empty>
    </section>
  )
}

import { Link } from '@tanstack/react-router'
import type { Answer } from '../../api.ts'
import { useAsk } from '../../parts/ask.tsx'
import { useSearchValue } from '../../parts/page.tsx'
import type { Tab } from './index.tsx'

const names = [
  ['open', 'All open'],
  ['person', 'Needs a person'],
  ['busbar', 'Waits by itself'],
  ['acknowledged', 'Acknowledged'],
  ['ignored', 'Ignored'],
  ['resolved', 'Resolved'],
] as const

/** The kinds of problems, each with how many there are. */
export function Tabs({
  tab,
  counts,
}: {
  readonly tab: Tab | 'open'
  readonly counts: Answer<'listProblems'>['counts'] | undefined
}) {
  return (
    <nav className="tabs scrolls" aria-label="Kinds of problems">
      {names.map(([name, words]) => (
        <Link
          key={name}
          to="."
          search={(before: Record<string, unknown>) => ({
            ...before,
            tab: name === 'open' ? undefined : name,
            by: undefined,
            cursor: undefined,
          })}
          {...(name === tab && { 'aria-current': 'page' as const })}
          activeProps={{}}
        >
          {words}
          {counts && <span className="n">{said(name, counts)}</span>}
        </Link>
      ))}
    </nav>
  )
}

function said(name: Tab | 'open', counts: Answer<'listProblems'>['counts']): string {
  const count = name === 'open' ? counts.person + counts.busbar + counts.acknowledged : counts[name]
  return count >= 1_000 ? '1,000+' : String(count)
}

/** Which of them, and in which order. */
export function Filters() {
  const [system, setSystem] = useSearchValue('system')
  const [flow, setFlow] = useSearchValue('flow')
  const [owner, setOwner] = useSearchValue('owner')
  const [sort, setSort] = useSearchValue('sort')
  const systems = useAsk('systems', 'listSystems')
  const flows = useAsk('groups', 'listFlows')
  return (
    <>
      <Choice
        name="System"
        value={system}
        options={systems.data?.items.map(({ name }) => name) ?? []}
        onChange={setSystem}
      />
      <Choice
        name="Flow"
        value={flow}
        options={flows.data?.items.map((each) => each.flow) ?? []}
        onChange={setFlow}
      />
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const given = new FormData(event.currentTarget).get('owner')
          setOwner((typeof given === 'string' && given.trim()) || undefined)
        }}
      >
        <label className="chip">
          <span className="by">Owner</span>
          <input name="owner" key={owner} defaultValue={owner} placeholder="anybody" maxLength={80} />
        </label>
      </form>
      <label className="chip">
        <span className="by">Order</span>
        <select value={sort ?? ''} onChange={({ target }) => setSort(target.value || undefined)}>
          <option value="">last seen first</option>
          <option value="since">open longest first</option>
        </select>
      </label>
    </>
  )
}

function Choice({
  name,
  value,
  options,
  onChange,
}: {
  readonly name: string
  readonly value: string | undefined
  readonly options: readonly string[]
  readonly onChange: (value: string | undefined) => void
}) {
  return (
    <label className="chip">
      <span className="by">{name}</span>
      <select value={value ?? ''} onChange={({ target }) => onChange(target.value || undefined)}>
        <option value="">any</option>
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
        {value !== undefined && !options.includes(value) && <option>{value}</option>}
      </select>
    </label>
  )
}

import { Link } from '@tanstack/react-router'
import { Radio, User } from 'lucide-react'
import type { ReactNode } from 'react'
import { useSearchValue } from '../../parts/page.tsx'
import { Sign } from '../../parts/sign.tsx'
import { State } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import type { Entry, Run } from './entries.ts'
import { actWords, runName, runPath, shortName, shownOf } from './entries.ts'

const views = ['story', 'runs', 'events', 'attempts', 'acts'] as const
export type View = (typeof views)[number]

export function isView(text: string | undefined): text is View {
  return (views as readonly (string | undefined)[]).includes(text)
}

const names: Readonly<Record<View, string>> = {
  story: 'Story',
  runs: 'Runs',
  events: 'Events',
  attempts: 'Attempts',
  acts: 'Acts',
}

/** The ways to look at the story, with how much there is of each. */
export function Tabs({ view, story }: { readonly view: View; readonly story: readonly Entry[] }) {
  const [, change] = useSearchValue('view')
  const amount = (each: View) => (each === 'story' ? '' : ` ${rowsOf(each, story).length}`)
  return (
    <div className="filters object-tabs">
      <div className="seg" role="group" aria-label="What to show">
        {views.map((each) => (
          <button
            key={each}
            type="button"
            aria-pressed={each === view}
            onClick={() => change(each === 'story' ? undefined : each, true)}
          >
            {names[each]}
            {amount(each)}
          </button>
        ))}
      </div>
      <span className="grow" />
      {view === 'story' && <Legend />}
    </div>
  )
}

/** What the signs of the time axis stand for. */
function Legend() {
  return (
    <span className="legend desk-only">
      <span>
        <Radio className="i" aria-hidden="true" />
        event
      </span>
      <span className="tone" data-tone="ok">
        <Sign name="ok" />
        <span className="dim">step</span>
      </span>
      <span>
        <User className="i" aria-hidden="true" />
        act by a person
      </span>
      <span>
        <svg viewBox="0 0 18 8" className="hatch" aria-hidden="true">
          <path d="M0 0H18" strokeWidth="2" />
          <path d="M1 8 9 0M6 8l8-8M11 8l7-7" strokeOpacity=".5" />
        </svg>
        cut off
      </span>
    </span>
  )
}

function rowsOf(view: View, story: readonly Entry[]): readonly Entry[] {
  switch (view) {
    case 'runs':
      return [...new Map(story.flatMap((entry) => (entry.run ? [[runName(entry.run), entry]] : []))).values()]
    case 'events':
      return story.filter(({ kind }) => kind === 'event')
    case 'attempts':
      return story.filter(({ kind }) => kind === 'attempt' || kind === 'step')
    case 'acts':
      return story.filter(({ kind }) => kind === 'act')
    case 'story':
      return story
  }
}

/** One kind of entries as a table, newest first. */
export function Tables({ view, story }: { readonly view: View; readonly story: readonly Entry[] }) {
  const rows = rowsOf(view, story).toReversed()
  return (
    <section className="card" aria-label={names[view]}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Where</th>
            <th scope="col">Run</th>
          </tr>
        </thead>
        <tbody>
          {rows.length === 0 && (
            <tr>
              <td colSpan={4} className="faint">
                None yet.
              </td>
            </tr>
          )}
          {rows.map((entry, index) => (
            <tr key={index}>
              <td>
                <Time at={entry.at} clock />
              </td>
              <td>{what(entry)}</td>
              <td>{entry.system !== null && shortName(entry.system)}</td>
              <td>{entry.run && <RunLink run={entry.run} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function RunLink({ run }: { readonly run: Run }) {
  return (
    <Link to={runPath(run)} className="link mono">
      {runName(run)}
    </Link>
  )
}

function what(entry: Entry): ReactNode {
  if (entry.kind === 'act')
    return (
      <>
        <b>{entry.actor}</b> {actWords(entry)}
        {entry.reason !== null && <>: “{entry.reason}”</>}
      </>
    )
  if (entry.kind === 'run') return <State of={entry.state} />
  const { label, right, sign, tone, to } = shownOf(entry)
  return (
    <Link to={to} className="state" data-tone={entry.kind === 'event' ? undefined : tone}>
      {entry.kind !== 'event' && <Sign name={sign} />}
      {label}
      {right !== '' && <span className="faint">{right}</span>}
    </Link>
  )
}

import { Link } from '@tanstack/react-router'
import { Radio, User } from 'lucide-react'
import type { CSSProperties, ReactNode } from 'react'
import { Fragment } from 'react'
import type { Answer } from '../../api.ts'
import { isCutOff } from '../../parts/system-words.ts'
import { Sign } from '../../parts/sign.tsx'
import { lookOf } from '../../parts/state.tsx'
import { clock, lengthOf, Time, useNow } from '../../parts/time.tsx'
import type { Entry, ObjectDetail } from './entries.ts'
import { actWords, runPath, shortName, shownOf, wireLabel } from './entries.ts'
import { SystemIcon } from '../../parts/system-icon.tsx'
import { nextSteps } from './next.ts'

type System = Answer<'listSystems'>['items'][number]

/** A silence longer than this is said. */
const gapMs = 10 * 60_000

interface AxisProps {
  readonly object: ObjectDetail
  /** All that is loaded, in time order. */
  readonly story: readonly Entry[]
  readonly columns: readonly string[]
  readonly systems: readonly System[]
}

/** Everything that happened, downwards in time, one column for each system. */
export function Axis({ object, story, columns, systems }: AxisProps) {
  const cut = systems.filter((each) => isCutOff(each) && columns.includes(each.name))
  const since = cut.map(({ changedAt }) => changedAt).sort()[0]
  const split = since === undefined ? story.length : story.findIndex(({ at }) => at >= since)
  const before = split < 0 ? story.length : split
  const places = new Map(
    story.flatMap((entry) =>
      entry.kind === 'event' ? [[entry.seq, columns.indexOf(entry.system ?? '')]] : [],
    ),
  )
  const rows = (entries: readonly Entry[], previous: Entry | undefined) =>
    entries.map((entry, index) => (
      <Fragment key={`${entry.at}-${entry.kind}-${index}`}>
        <Gap from={(index === 0 ? previous : entries[index - 1])?.at} to={entry.at} />
        <Row entry={entry} columns={columns} from={places.get(entry.run?.seq ?? -1) ?? 0} />
      </Fragment>
    ))
  return (
    <section
      className="card axis desk-only"
      aria-label={`Everything that happened to ${object.key}`}
      style={{ '--n': columns.length } as CSSProperties}
    >
      <Heads object={object} story={story} columns={columns} />
      <div className="axis-body">
        <div className="lifelines" aria-hidden="true">
          {columns.map((name) => (
            <i key={name} />
          ))}
        </div>
        {rows(story.slice(0, before), undefined)}
        <div className="axis-rest">
          {cut.map(({ name }) => (
            <i
              key={name}
              className="outage"
              style={{ '--at': columns.indexOf(name), '--n': columns.length } as CSSProperties}
            />
          ))}
          {cut.map((system) => (
            <Cut key={system.name} system={system} column={columns.indexOf(system.name)} />
          ))}
          {rows(story.slice(before), story[before - 1])}
          <Now object={object} story={story} />
          {nextSteps(object).map((next, index) => (
            <div key={index} className="axis-row">
              <time>{index === 0 ? 'next' : 'then'}</time>
              <Wire from={places.get(next.run.seq) ?? 0} to={columns.indexOf(next.system ?? '')}>
                {next.wire}
              </Wire>
              <Chip tone="rest" column={columns.indexOf(next.system ?? '')} to={runPath(next.run)}>
                <Sign name="pending" />
                <span className="l">{next.label}</span>
                {next.at && <span className="r">{clock(next.at)}</span>}
              </Chip>
            </div>
          ))}
        </div>
      </div>
    </section>
  )
}

function Heads({ object, story, columns }: Pick<AxisProps, 'object' | 'story' | 'columns'>) {
  const idIn = (system: string) => object.links.find((link) => link.system === system)
  const first = story[0]?.at
  return (
    <div className="axis-head">
      <div>{first && day(first)}</div>
      {columns.map((name) => {
        const link = idIn(name)
        return (
          <div key={name}>
            <b title={name}>
              <SystemIcon name={name} />
              {shortName(name)}
            </b>
            {link ? (
              <span className="id mono">{link.external}</span>
            ) : (
              <span className="id none">
                {story.some(({ kind, system }) => kind === 'event' && system === name)
                  ? 'speaks of it'
                  : 'no id known'}
              </span>
            )}
          </div>
        )
      })}
    </div>
  )
}

function Row({
  entry,
  columns,
  from,
}: {
  readonly entry: Entry
  readonly columns: readonly string[]
  readonly from: number
}) {
  if (entry.kind === 'act')
    return (
      <div className="axis-row act">
        <Time at={entry.at} seconds />
        <span className="person">
          <span className="avatar small">
            <User className="i" aria-hidden="true" />
          </span>
          <span>
            <b>{entry.actor}</b> {actWords(entry)}
            {entry.reason !== null && <>: “{entry.reason}”</>}
          </span>
        </span>
      </div>
    )
  const column = columns.indexOf(entry.system ?? '')
  const { tone, sign, label, right, to, hot } = shownOf(entry)
  const isEvent = entry.kind === 'event'
  return (
    <div className="axis-row">
      <span className={isEvent ? 'at big' : 'at'}>
        <Time at={entry.at} seconds />
      </span>
      {!isEvent && (
        <Wire from={from} to={column}>
          {wireLabel(entry)}
        </Wire>
      )}
      <Chip tone={tone} column={column} to={to} hot={hot} event={isEvent} title={label}>
        {isEvent ? <Radio className="i" aria-hidden="true" /> : <Sign name={sign} />}
        <span className="l">{label}</span>
        {right !== '' && <span className="r">{right}</span>}
      </Chip>
    </div>
  )
}

function Chip(props: {
  readonly tone: string
  readonly column: number
  readonly to: string
  readonly hot?: boolean
  readonly event?: boolean
  readonly title?: string
  readonly children: ReactNode
}) {
  const { tone, column, to, hot = false, event = false, title, children } = props
  return (
    <Link
      to={to}
      className={`chipx${event ? ' ev' : ''}${hot ? ' hot' : ''}`}
      data-tone={event ? undefined : tone}
      style={{ gridColumn: Math.max(0, column) + 2 }}
      title={title}
    >
      {children}
    </Link>
  )
}

/** From the event's column to where it went; nothing where both are the same. */
function Wire({
  from,
  to,
  children,
}: {
  readonly from: number
  readonly to: number
  readonly children: ReactNode
}) {
  const target = Math.max(0, to)
  if (from === target) return null
  const [left, right] = from < target ? [from, target] : [target + 1, from + 1]
  return (
    <span
      className={from < target ? 'wirex' : 'wirex left'}
      style={{ gridColumn: `${left + 2} / ${right + 2}`, '--k': right - left } as CSSProperties}
    >
      <span>{children}</span>
    </span>
  )
}

function Gap({ from, to }: { readonly from: string | undefined; readonly to: string }) {
  if (from === undefined) return null
  const ms = Date.parse(to) - Date.parse(from)
  const other = day(from) !== day(to)
  if (ms < gapMs && !other) return null
  return (
    <div className="axis-row gap">
      <span>
        <b>
          {other && `${day(to)}: `}
          {lengthOf(ms)}, nothing happened
        </b>
      </span>
    </div>
  )
}

function Cut({ system, column }: { readonly system: System; readonly column: number }) {
  return (
    <div className="axis-row">
      <span className="at">
        <Time at={system.changedAt} seconds />
      </span>
      <Chip tone="park" column={column} to={`/systems/${encodeURIComponent(system.name)}`}>
        <Sign name="cutOff" />
        <span className="l">Refuses calls</span>
      </Chip>
    </div>
  )
}

function Now({ object, story }: { readonly object: ObjectDetail; readonly story: readonly Entry[] }) {
  const now = useNow(15_000)
  const last = story.findLast(({ kind }) => kind !== 'act')
  const word =
    object.state === 'done'
      ? 'All is done'
      : object.state === 'overdue'
        ? 'Overdue'
        : lookOf('run', object.state).word
  return (
    <div className="axis-row now">
      <span className="at big">
        <Time at={new Date(now).toISOString()} seconds />
      </span>
      <span>
        <b>
          Now. {word}
          {last && object.state !== 'done' && ` for ${lengthOf(now - Date.parse(last.at))}`}
        </b>
      </span>
    </div>
  )
}

function day(at: string): string {
  return new Date(at).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
}

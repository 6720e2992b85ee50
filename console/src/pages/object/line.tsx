import { Link } from '@tanstack/react-router'
import { Radio, User } from 'lucide-react'
import { Sign } from '../../parts/sign.tsx'
import type { System } from '../../parts/system-words.ts'
import { nameOf } from '../../parts/system-words.ts'
import { Time } from '../../parts/time.tsx'
import { pathTo } from '../../parts/words.tsx'
import type { Entry } from './entries.ts'
import { actWords, shortName, shownOf, wireLabel } from './entries.ts'

/** The same story for a phone: a list, newest first. */
export function Line({ story, cut }: { readonly story: readonly Entry[]; readonly cut: readonly System[] }) {
  return (
    <section className="card phone-only mline" aria-label="What happened, newest first">
      <header>
        <h2>What happened</h2>
      </header>
      <ol>
        {cut.map((system) => (
          <li key={system.name} data-tone="park">
            <Time at={system.changedAt} clock />
            <span className="pt">
              <Sign name="cutOff" />
            </span>
            <span>
              <Link to={pathTo('system', system.name)}>
                <b>{nameOf(system)} refuses calls</b>
              </Link>
              <span className="d">since then, and it is tried</span>
            </span>
          </li>
        ))}
        {story.toReversed().map((entry, index) => (
          <Item key={`${entry.at}-${index}`} entry={entry} />
        ))}
      </ol>
    </section>
  )
}

function Item({ entry }: { readonly entry: Entry }) {
  if (entry.kind === 'act')
    return (
      <li data-tone="rest">
        <Time at={entry.at} clock />
        <span className="pt">
          <User className="i" aria-hidden="true" />
        </span>
        <span>
          <b>{entry.reason === null ? actWords(entry) : `“${entry.reason}”`}</b>
          <span className="d">
            {entry.actor} {entry.reason !== null && actWords(entry)}
          </span>
        </span>
      </li>
    )
  const { tone, sign, label, right, to } = shownOf(entry)
  const where = entry.system === null ? '' : shortName(entry.system)
  return (
    <li data-tone={entry.kind === 'event' ? undefined : tone}>
      <Time at={entry.at} clock />
      <span className="pt">
        {entry.kind === 'event' ? <Radio className="i" aria-hidden="true" /> : <Sign name={sign} />}
      </span>
      <span>
        <Link to={to}>
          <b>{label}</b>
        </Link>
        <span className="d">{[where, wireLabel(entry), right].filter((part) => part !== '').join(', ')}</span>
      </span>
    </li>
  )
}

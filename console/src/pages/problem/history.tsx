import { Card } from '../../parts/card.tsx'
import type { SignName } from '../../parts/sign.tsx'
import { Sign } from '../../parts/sign.tsx'
import type { Tone } from '../../parts/state.tsx'
import { Time } from '../../parts/time.tsx'
import type { Problem } from './index.tsx'

interface Happening {
  readonly at: string
  readonly sign: SignName
  readonly tone: Tone
  readonly text: string
}

/** What happened, newest first: what people did, and how it came and went. */
export function History({ problem }: { readonly problem: Problem }) {
  const happenings = happened(problem)
  return (
    <Card title="What happened" className="history">
      <ol>
        {happenings.map(({ at, sign, tone, text }, index) => (
          <li key={index} className="row">
            <span className="mono faint at">
              <Time at={at} clock />
            </span>
            <span className="tone" data-tone={tone}>
              <Sign name={sign} />
            </span>
            <span className="dim">{text}</span>
          </li>
        ))}
      </ol>
    </Card>
  )
}

function happened({
  history,
  earlier,
  since,
  firstSeen,
  resolvedAt,
  backFrom,
  backAt,
  times,
}: Problem): Happening[] {
  const acts = history.flatMap((entry) => {
    const told = actWords(entry)
    return told ? [{ at: entry.at, ...told }] : []
  })
  const own: Happening[] = [
    { at: since, sign: 'retry', tone: 'retry', text: times > 1 ? 'Came back' : 'First seen' },
    ...(times > 1
      ? [{ at: firstSeen, sign: 'retry', tone: 'rest', text: 'Seen for the first time' } as const]
      : []),
    ...(resolvedAt === null
      ? []
      : [{ at: resolvedAt, sign: 'ok', tone: 'ok', text: 'Over: none of its runs is open' } as const]),
    ...(backFrom === 'ignored' && backAt !== null
      ? [{ at: backAt, sign: 'retry', tone: 'retry', text: 'Not ignored any more' } as const]
      : []),
    ...earlier
      .slice(0, 3)
      .map(({ until }) => ({ at: until, sign: 'ok', tone: 'rest', text: 'Was over' }) as const),
  ]
  return [...acts, ...own].sort((one, other) => other.at.localeCompare(one.at))
}

function actWords({
  actor,
  verb,
  object,
  reason,
  before,
}: Problem['history'][number]): Omit<Happening, 'at'> | undefined {
  const because = reason === null ? '' : `: “${reason}”`
  if (object.startsWith('bulk act ')) {
    const what = (before as { verb?: string } | null)?.verb ?? 'act'
    switch (verb) {
      case 'plan':
        return undefined
      case 'done':
        return { sign: 'ok', tone: 'ok', text: `The ${what} of its runs is through` }
      case 'stop':
        return { sign: 'park', tone: 'park', text: `The ${what} of its runs has stopped: ${reason ?? ''}` }
      default:
        return { sign: 'run', tone: 'run', text: `${actor} ${past(verb)} the ${what} of its runs${because}` }
    }
  }
  switch (verb) {
    case 'acknowledge':
      return { sign: 'ok', tone: 'ok', text: `${actor} acknowledged${because}` }
    case 'ignore':
      return { sign: 'skip', tone: 'rest', text: `${actor} chose to ignore it for a time` }
    case 'reopen':
      return { sign: 'retry', tone: 'retry', text: `${actor} opened it again` }
    default:
      return { sign: 'wait', tone: 'rest', text: `${actor} changed owner, note or runbook` }
  }
}

function past(verb: string): string {
  return { start: 'started', pause: 'paused', resume: 'resumed', cancel: 'cancelled' }[verb] ?? verb
}
